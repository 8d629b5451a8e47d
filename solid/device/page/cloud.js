// The stand-in for a server: a history of item numbers comes in, the user's weights go out.
import { bytesOf, history, open } from "./runtime.js";

const session = bytesOf("./models/generated/cloud.onnx").then(async (graph) => {
  const opened = await open(graph);
  await opened.run({ history: history([]) }); // the first run is slow, and is not what is to be timed
  return opened;
});

self.onmessage = async ({ data: { id, items, names } }) => {
  try {
    const cloud = await session;
    const started = performance.now();
    const made = await cloud.run({ history: history(items) }, names);
    const milliseconds = performance.now() - started;
    const weights = names.map((name) => ({ name, type: made[name].type, dims: made[name].dims, data: made[name].data }));
    self.postMessage({ id, milliseconds, weights });
  } catch (error) {
    self.postMessage({ id, error: String(error) });
  }
};
