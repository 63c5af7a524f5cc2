"use strict";
DataTable.ext.errMode = "throw";
const words = JSON.parse(document.body.dataset.tableWords);
for (const table of document.querySelectorAll("table.sortable")) {
  const title = table.closest("[aria-label]").ariaLabel;
  new DataTable(table, {
    autoWidth: false,
    language: words,
    lengthMenu: [15, 50, 200],
    order: [],
    pageLength: 15,
  });
  for (const pages of table.closest(".dt-container").querySelectorAll("nav")) {
    pages.ariaLabel = `${title}: ${words.pages}`;
  }
}
