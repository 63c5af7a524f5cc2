// A forward proxy in Node: CONNECT for https, absolute-form requests for http.
//
// Its only argument is JSON, see node.py. It prints a line once it listens, and appends each request
// that it got to the file `record`, a JSON object a line.

import fs from "node:fs";
import http from "node:http";
import net from "node:net";

const setup = JSON.parse(process.argv[2]);
const record = fs.openSync(setup.record, "a");

function note(request) {
  const { method, url, headers } = request;
  fs.writeSync(record, JSON.stringify({ method, url, headers }) + "\n");
}

function lets(request) {
  if (!setup.credentials) return true;
  const expected = "Basic " + Buffer.from(setup.credentials).toString("base64");
  return request.headers["proxy-authorization"] === expected;
}

const server = http.createServer((request, response) => {
  note(request);
  if (!lets(request)) {
    request.resume();
    response.writeHead(407, { "Proxy-Authenticate": 'Basic realm="proxy"' }).end();
    return;
  }
  const { hostname, port, pathname, search } = new URL(request.url);
  const headers = { ...request.headers };
  delete headers["proxy-authorization"];
  const onward = http.request(
    { hostname, port, path: pathname + search, method: request.method, headers },
    (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on("error", () => response.destroy());
  request.pipe(onward);
});

server.on("connect", (request, socket, head) => {
  note(request);
  socket.on("error", () => {});
  if (!lets(request)) {
    socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    return;
  }
  const { hostname, port } = new URL(`http://${request.url}`);
  const onward = net.connect(Number(port), hostname, () => {
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    onward.write(head);
    onward.pipe(socket);
    socket.pipe(onward);
  });
  onward.on("error", () => socket.destroy());
  socket.on("close", () => onward.destroy());
});

server.listen(setup.port, "127.0.0.1", () => console.log("listening"));
