const http = require("http");

const [port, idle] = process.argv.slice(2).map(Number);
const server = http.createServer((request, response) => {
  request.resume();
  request.on("end", () => response.end("ok\n"));
});
server.keepAliveTimeout = idle * 1000;
server.listen(port, "127.0.0.1");
