// Node.js's own client. Usage: node node_agent.mjs URL GAP...
import http from "node:http";
import { visitAll } from "./visits.mjs";

function post(agent, url) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { agent, method: "POST" }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end("hello");
  });
}

await visitAll(process.version, () => {
  // Without a timeout of its own, the agent does not read the hint.
  const agent = new http.Agent({ keepAlive: true, timeout: 60_000 });
  return { post: (url) => post(agent, url), close: () => agent.destroy() };
});
