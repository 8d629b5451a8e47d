// ONNX Runtime Web as both sides use it: the device in the page, the cloud's stand-in in its worker. One thread each.
import * as ort from "./ort/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
ort.env.wasm.numThreads = 1;

export const { Tensor } = ort;

export async function bytesOf(file) {
  const answer = await fetch(file);
  if (!answer.ok) throw new Error(`${file}: ${answer.status} ${answer.statusText}`);
  return new Uint8Array(await answer.arrayBuffer());
}

// A graph, and the vectors of items that lie beside it, where they do.
export function open(graph, items) {
  const externalData = items ? [{ path: "items.bin", data: items }] : [];
  return ort.InferenceSession.create(graph, { executionProviders: ["wasm"], externalData });
}

// Item numbers as a tensor; a history of nothing is one place of padding.
export function history(items) {
  const places = items.length ? items : [0];
  return new Tensor("int64", BigInt64Array.from(places, BigInt), [1, places.length]);
}
