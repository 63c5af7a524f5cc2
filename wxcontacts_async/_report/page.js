"use strict";
DataTable.ext.errMode = "throw";
for (const table of document.querySelectorAll("table.sortable")) {
  new DataTable(table, {
    autoWidth: false,
    language: JSON.parse(document.body.dataset.tableWords),
    lengthMenu: [15, 50, 200],
    order: [],
    pageLength: 15,
  });
}
