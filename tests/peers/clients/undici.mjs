// undici. Usage: NODE_PATH=... node undici.mjs URL GAP...
import { createRequire } from "node:module";
import { visitAll } from "./visits.mjs";

// `import` does not look into NODE_PATH.
const require = createRequire(import.meta.url);
const { Agent, request } = require("undici");
const { version } = require("undici/package.json");

await visitAll(version, () => {
  const dispatcher = new Agent({ keepAliveTimeout: 60_000 });
  const post = async (url) => {
    const { statusCode, body } = await request(url, { dispatcher, method: "POST", body: "hello" });
    await body.dump();
    return statusCode;
  };
  return { post, close: () => dispatcher.destroy() };
});
