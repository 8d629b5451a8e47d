// The page: what was clicked, which weights the device has, and the ranking that it makes of both.
import { Tensor, bytesOf, history, open } from "./runtime.js";

const SHOWN = 10;
const PRODUCTS_AT_ONCE = 60;
const find = (id) => document.getElementById(id);
const json = async (file) => JSON.parse(new TextDecoder().decode(await bytesOf(file)));

const [items, page, about] = await Promise.all([
  json("models/generated/items.json"), json("demo.json"), json("models/generated/export.json"),
]).catch((error) => fail(error));
const everything = new Tensor("int64", BigInt64Array.from(items, (_, index) => BigInt(index + 1)), [items.length]);

const pictures = new Set(page.pictures);

// `start` is the history before the first click; `weightsOf` says of how many items the weights were made.
const state = { start: [], clicks: [], weights: null, weightsOf: 0, weightBytes: 0, up: 0, down: 0, ranking: [] };
const loaded = new Map();
const cloud = new Worker("cloud.js", { type: "module" });
const waiting = new Map();
let asked = 0;
cloud.onmessage = ({ data }) => waiting.get(data.id)(data);
cloud.onerror = (event) => fail(event.message || "the worker did not start");

const mode = () => document.querySelector("input[name=mode]:checked").value;
const read = () => [...state.start, ...state.clicks];
const titleOf = (number) => items[number - 1].title ?? items[number - 1].id;
const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

function bytes(number) {
  return number < 1000 ? `${number} B` : number < 1e6 ? `${(number / 1000).toFixed(1)} kB` : `${(number / 1e6).toFixed(1)} MB`;
}

function fail(error) {
  find("status").textContent = `It went wrong: ${error.message ?? error}. This folder has to be served over http, such as by: python -m http.server`;
  find("status").className = "wrong";
  throw error;
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function picture(number) {
  if (!pictures.has(number)) return element("span", { className: "none" });
  return element("img", { src: `pictures/${number}.webp`, alt: "" });
}

// models

function model(name, precision) {
  const folder = `models/${name}/${precision}`;
  if (!loaded.has(folder)) {
    loaded.set(folder, Promise.all([bytesOf(`${folder}/device.onnx`), bytesOf(`${folder}/items.bin`)])
      .then(async ([graph, table]) => ({ session: await open(graph, table), bytes: graph.length + table.length })));
  }
  return loaded.get(folder);
}

async function makeWeights(names, sent) {
  const id = asked++;
  const answer = await new Promise((resolve) => {
    waiting.set(id, resolve);
    cloud.postMessage({ id, items: sent, names });
  });
  waiting.delete(id);
  if (answer.error) throw new Error(answer.error);
  state.weights = Object.fromEntries(answer.weights.map(({ name, type, data, dims }) => [name, new Tensor(type, data, dims)]));
  state.weightBytes = answer.weights.reduce((sum, { data }) => sum + data.byteLength, 0);
  state.weightsOf = sent.length;
  state.up += 4 * sent.length; // an item number is 4 bytes
  state.down += state.weightBytes;
  find("cloud-time").textContent = `${answer.milliseconds.toFixed(1)} ms`;
}

async function rank() {
  const generates = mode() !== "static";
  const { session, bytes: size } = await model(generates ? "generated" : "static", find("precision").value);
  const names = session.inputNames.filter((name) => name !== "history" && name !== "candidates");
  const fits = state.weights && names.every((name) => name in state.weights);
  const wanted = mode() === "click" ? read() : state.start;
  if (generates && (!fits || state.weightsOf !== wanted.length)) await makeWeights(names, wanted);
  const given = generates ? Object.fromEntries(names.map((name) => [name, state.weights[name]])) : {};
  const started = performance.now();
  const { scores } = await session.run({ history: history(read()), candidates: everything, ...given });
  const milliseconds = performance.now() - started;
  const seen = new Set(read());
  const best = Array.from(scores.data, (score, index) => ({ number: index + 1, score }))
    .filter(({ number }) => !seen.has(number))
    .sort((one, other) => other.score - one.score || one.number - other.number)
    .slice(0, SHOWN);
  return { best, milliseconds, size, generates };
}

// One ranking at a time, and always of the newest clicks: what is clicked meanwhile is ranked once this is done.
let busy = false;
let again = false;
async function update() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  document.documentElement.dataset.busy = "true";
  try {
    do {
      again = false;
      show(await rank());
    } while (again);
  } catch (error) {
    fail(error);
  } finally {
    busy = false;
    document.documentElement.dataset.busy = "false";
  }
}

// what is shown

function show({ best, milliseconds, size, generates }) {
  const before = state.ranking;
  state.ranking = best.map(({ number }) => number);
  const focused = document.activeElement?.closest("#recommendations li")?.dataset.item;
  find("recommendations").replaceChildren(...best.map(({ number, score }, place) => {
    const was = before.indexOf(number);
    const moved = !before.length || was === place ? "" : was < 0 ? "new" : was > place ? `▲ ${was - place}` : `▼ ${place - was}`;
    const said = !moved ? "" : was < 0 ? ", new" : was > place ? `, up by ${was - place}` : `, down by ${place - was}`;
    const button = element("button", { type: "button", title: `score ${score.toFixed(3)}`, onclick: () => click(number) },
      element("span", { className: "rank" }, String(place + 1)), picture(number),
      element("span", {}, ...named(number)),
      element("span", { className: `moved${was < 0 || was > place ? " up" : ""}` }, moved));
    button.setAttribute("aria-label", `${titleOf(number)}${said}: look at it`);
    const entry = element("li", {}, button);
    entry.dataset.item = number;
    return entry;
  }));
  if (focused) (find("recommendations").querySelector(`li[data-item="${focused}"] button`) ?? find("recommendations").querySelector("button")).focus();
  find("announcement").textContent = best.length ? `${SHOWN} recommendations, first ${titleOf(best[0].number)}` : "";
  find("device-time").textContent = `${milliseconds.toFixed(1)} ms for ${items.length.toLocaleString("en")} items`;
  find("loaded").textContent = bytes(size);
  const age = read().length - state.weightsOf;
  find("weights-bytes").textContent = !generates ? "none" : `${bytes(state.weightBytes)}, ${age ? `${count(age, "click")} old` : "fresh"}`;
  if (!generates) find("cloud-time").textContent = "–";
  find("sent").textContent = `${bytes(state.up)} up, ${bytes(state.down)} down`;
  showHistory();
}

function showHistory() {
  const all = read();
  find("empty").hidden = all.length > 0;
  find("history").replaceChildren(...all.map((number, place) => {
    const entry = element("li", { title: titleOf(number), className: place < state.start.length ? "" : "clicked" },
      picture(number), element("span", { className: "hidden" }, titleOf(number)));
    entry.dataset.item = number;
    return entry;
  }));
  const counts = new Map();
  for (const number of all) {
    const name = items[number - 1].classes?.join(".");
    if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  find("classes-part").hidden = !counts.size;
  find("classes").replaceChildren(...[...counts].sort((one, other) => other[1] - one[1]).map(([name, times]) =>
    element("li", {}, element("b", {}, page.classes[name] ?? ""), element("span", {}, ` class ${name}${times > 1 ? ` × ${times}` : ""}`))));
}

function named(number) {
  const category = items[number - 1].category?.split(" > ").at(-1) ?? "";
  return [element("span", { className: "title" }, titleOf(number)), element("span", { className: "category" }, category)];
}

function showProducts() {
  const cards = page.products.map((number) => {
    const button = element("button", { type: "button", onclick: () => click(number) }, picture(number), ...named(number));
    button.setAttribute("aria-label", `Look at ${titleOf(number)}`);
    const card = element("li", {}, button);
    card.dataset.item = number;
    return card;
  });
  find("products").replaceChildren(...cards);
  const top = (number) => items[number - 1].category?.split(" > ")[0] ?? "";
  for (const name of [...new Set(page.products.map(top))].filter(Boolean).sort()) find("category").append(new Option(name));
  let most = PRODUCTS_AT_ONCE;
  const narrow = () => {
    let matching = 0;
    const [wanted, words] = [find("category").value, find("search").value.toLowerCase().split(/\s+/)];
    for (const card of cards) {
      const text = titleOf(Number(card.dataset.item)).toLowerCase();
      const fits = (!wanted || top(Number(card.dataset.item)) === wanted) && words.every((word) => text.includes(word));
      if (fits) matching += 1;
      card.hidden = !fits || matching > most;
    }
    find("found").textContent = count(matching, "product");
    find("more").hidden = matching <= most;
  };
  find("category").onchange = find("search").oninput = () => {
    most = PRODUCTS_AT_ONCE;
    narrow();
  };
  find("more").onclick = () => {
    const first = cards.filter((card) => !card.hidden).length;
    most += PRODUCTS_AT_ONCE;
    narrow();
    cards.filter((card) => !card.hidden)[first].querySelector("button").focus();
  };
  narrow();
}

// what a person does

function click(number) {
  state.clicks.push(number);
  return update();
}

function begin() {
  Object.assign(state, { start: page.visitors[find("visitor").value].items, clicks: [], weights: null, up: 0, down: 0, ranking: [] });
  find("cloud-time").textContent = "–";
  return update();
}

page.visitors.forEach(({ name }, index) => find("visitor").append(new Option(name, index)));
find("static").hidden = !page.static;
find("visitor").onchange = find("reset").onclick = begin;
find("precision").onchange = update;
find("modes").onchange = update;

showProducts();
await begin();
// Whatever may be asked for later, so that the page goes on where there is no network.
for (const { value } of find("precision").options) {
  await Promise.all(["generated", ...(page.static ? ["static"] : [])].map((name) => model(name, value)));
}
await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
find("status").textContent = `Ready, ${about.head} on ${about.backbone}: from here on it needs no network`;
document.documentElement.dataset.ready = "true";
