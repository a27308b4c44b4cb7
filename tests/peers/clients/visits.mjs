// What the clients on Node.js share: the visits, and the line that reports them.
import { setTimeout as sleep } from "node:timers/promises";

// Each gap has a client of its own. The starts are spread, so that the machine is not late at the gaps' ends.
export async function visitAll(version, open) {
  const [base, ...gaps] = process.argv.slice(2);
  const results = await Promise.all(
    gaps.map(async (gap, index) => {
      await sleep(40 * index);
      const client = open();
      const first = await client.post(`${base}/${gap}/1`);
      if (first !== 200) throw new Error(`the first request: ${first}`);
      await sleep(Number(gap));
      let result = "ok";
      try {
        const second = await client.post(`${base}/${gap}/2`);
        if (second !== 200) result = `status ${second}`;
      } catch (error) {
        result = `${error.code}: ${error.message}`;
      }
      client.close();
      return [gap, result];
    }),
  );
  console.log(JSON.stringify({ version, gaps: Object.fromEntries(results) }));
}
