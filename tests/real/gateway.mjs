// A gateway in Node, with nothing but what Node brings: POST /getAllContact, http or https.
//
// Its only argument is JSON, see node.py. It prints a line once it listens. What it does is appended
// to the file `record`, a JSON object a line, written before anything else happens, so that the
// record outlives a process that is killed.

import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import zlib from "node:zlib";

const setup = JSON.parse(process.argv[2]);
const record = fs.openSync(setup.record, "a");
const called = new Map(); // by wId: how often
let connections = 0;
let calls = 0;

// CLOCK_MONOTONIC, as Python's time.monotonic().
const now = () => Number(process.hrtime.bigint()) / 1e9;
const write = (line) => fs.writeSync(record, JSON.stringify(line) + "\n");

// People who do not exist; people.py invents the very same ones.
function contactsOf(wId) {
  const lists = { public: [], friend: [], group: [] };
  for (let n = 0; n < setup.contacts; n++) {
    const isGroup = n % 10 === 9;
    const isPublic = n % 10 === 8;
    const userName = isGroup ? `${wId}-${n}@chatroom` : isPublic ? `gh_${wId}-${n}` : `wxid_${wId}-${n}`;
    lists[isGroup ? "group" : isPublic ? "public" : "friend"].push({
      userName,
      aliasName: n % 3 ? null : `alias-${n}`,
      nickName: `张伟 ${n} 🌸 "${wId}"`,
      bigHead: isGroup ? null : `http://wx.qlogo.invalid/mmhead/${wId}/${n}/0`,
      smallHead: `http://wx.qlogo.invalid/mmhead/${wId}/${n}/132`,
      sex: isGroup || isPublic ? 0 : n % 3,
      signature: n % 4 ? null : `慢慢来，比较快 🐢\n${n}`,
      country: n % 2 ? "中国" : null,
      province: n % 2 ? "北京" : null,
      city: n % 2 ? "朝阳" : null,
    });
  }
  return lists;
}

function replyTo(wId) {
  const number = (called.get(wId) ?? 0) + 1;
  called.set(wId, number);
  const instance = { ...setup.instance, ...setup.instances[wId] };
  if (number <= instance.initializing) {
    return ["initializing", instance.initializing_status, { message: "初始化中", code: "1001", data: null }];
  }
  if (instance.refusal) {
    return ["refused", instance.refusal_status, { message: instance.refusal, code: "1001", data: null }];
  }
  return ["ready", 200, { message: "成功", code: "1000", data: contactsOf(wId) }];
}

function send(request, response, status, reply) {
  const headers = { "Content-Type": "application/json; charset=utf-8" };
  let body = Buffer.from(JSON.stringify(reply));
  const asked = request.headers["accept-encoding"] ?? "";
  if (setup.compressed && asked.includes("gzip")) {
    headers["Content-Encoding"] = "gzip";
    body = zlib.gzipSync(body);
  }
  headers["Content-Length"] = body.length;
  response.writeHead(status, headers);
  response.end(body);
}

async function answer(request, response) {
  const pieces = [];
  try {
    for await (const piece of request) pieces.push(piece);
  } catch {
    return; // the client went in the middle of its request
  }
  if (request.method !== "POST" || new URL(request.url, "http://any").pathname !== "/getAllContact") {
    response.writeHead(404).end();
    return;
  }
  const { wId } = JSON.parse(Buffer.concat(pieces));
  const call = ++calls;
  const connection = request.socket.connection;
  write({ life: setup.life, call, wId, began: now(), connection });
  const ended = (how) => {
    if (ended.said) return;
    ended.said = true;
    write({ life: setup.life, call, ended: now(), how });
  };
  response.on("close", () => ended("gone"));
  const instance = { ...setup.instance, ...setup.instances[wId] };
  const answerNow = () => {
    if (response.destroyed) return;
    if (instance.hangs_up) {
      ended("hung up");
      request.socket.destroy();
      return;
    }
    if (instance.page_status) {
      ended("page");
      response.writeHead(instance.page_status, { "Content-Type": "text/html" });
      response.end("<html><head><title>Something is wrong</title></head></html>");
      return;
    }
    const [how, status, reply] = replyTo(wId);
    ended(how); // before the client can know
    send(request, response, status, reply);
  };
  if (instance.latency) setTimeout(answerNow, instance.latency * 1000);
  else answerNow();
}

const tls = setup.tls && {
  cert: fs.readFileSync(setup.tls.certificate),
  key: fs.readFileSync(setup.tls.certificate),
};
const server = tls ? https.createServer(tls, answer) : http.createServer(answer);
server.keepAliveTimeout = 0; // some versions wait a second longer than they are told, so we do it
server.on("request", (request, response) => {
  const { socket } = request;
  clearTimeout(socket.unused);
  response.on("finish", () => {
    socket.unused = setTimeout(() => socket.destroy(), setup.keep_alive * 1000);
  });
});
server.on(tls ? "secureConnection" : "connection", (socket) => {
  socket.connection = ++connections;
  socket.on("error", () => {});
  socket.on("close", () => clearTimeout(socket.unused));
});
server.listen(setup.port, "127.0.0.1", () => console.log("listening"));
