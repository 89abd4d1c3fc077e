// A stand-in for a page, just enough to see what the keys of the reader of traces do: `node keys.js SCRIPT` prints as
// JSON what each key leads to. Three traces, the second without steps; steps are numbered, the third has no D − C.
"use strict";
const fs = require("fs");

const MATCHES = {
  "tr[aria-current]": (one) => one.tag === "tr" && "aria-current" in one.attributes,
  "tbody tr": (one) => one.tag === "tr",
  '.orders [aria-pressed="true"]': (one) => one.tag === "button" && one.attributes["aria-pressed"] === "true",
  ".orders button": (one) => one.tag === "button",
  "details.trace": (one) => one.kind === "trace",
  "details.instead": (one) => one.kind === "instead",
  ".keys, .orders": (one) => ["keys", "orders"].includes(one.kind),
  tbody: (one) => one.tag === "tbody",
  "summary, button, a, input, textarea, .scroll, pre": (one) => one.tag === "button",
};

class Element {
  constructor(tag, kind = "") {
    Object.assign(this, { tag, kind, rows: [], attributes: {}, dataset: {}, open: false, hidden: true });
  }
  append(...others) {
    for (const one of others) {
      if (one.above) one.above.rows = one.above.rows.filter((other) => other !== one);
      one.above = this;
      this.rows.push(one);
    }
  }
  within() {
    return this.rows.flatMap((one) => [one, ...one.within()]);
  }
  beside(by) {
    return this.above.rows[this.above.rows.indexOf(this) + by] ?? null;
  }
  get nextElementSibling() {
    return this.beside(1);
  }
  get previousElementSibling() {
    return this.beside(-1);
  }
  querySelectorAll(selector) {
    return this.within().filter(MATCHES[selector]);
  }
  querySelector(selector) {
    return this.querySelectorAll(selector)[0] ?? null;
  }
  closest(selector) {
    return MATCHES[selector](this) ? this : (this.above?.closest(selector) ?? null);
  }
  contains(other) {
    return other === this || (other?.above ? this.contains(other.above) : false);
  }
  setAttribute(name, value) {
    this.attributes[name] = value;
  }
  removeAttribute(name) {
    delete this.attributes[name];
  }
  focus() {
    document.activeElement = this;
  }
  scrollIntoView() {}
  addEventListener() {}
}

function made(tag, kind, ...inside) {
  const one = new Element(tag, kind);
  one.append(...inside);
  return one;
}

function step(number, mismatch) {
  const row = made("tr", "", made("details", "instead"));
  row.dataset = { step: String(number), mismatch };
  return row;
}

function order(name) {
  const button = made("button");
  button.dataset.order = name;
  button.setAttribute("aria-pressed", String(name === "written"));
  return button;
}

function trace(...mismatches) {
  const orders = made("div", "orders", ...["written", "overstated", "understated"].map(order));
  return made("details", "trace", orders, made("tbody", "", ...mismatches.map((value, place) => step(place + 1, value))));
}

const MISMATCHES = ["0.1", "0.9", "", "-0.3"];
const traces = [trace(...MISMATCHES), trace(), trace(...MISMATCHES)];
const help = made("p", "keys");
const reader = made("section", "", help, ...traces);
traces[0].open = true;
let heard;
globalThis.document = {
  activeElement: null,
  getElementById: () => reader,
  addEventListener: (_, listener) => (heard = listener),
};
(0, eval)(fs.readFileSync(process.argv[2], "utf8"));

function told(key) {
  heard({ key, target: document.activeElement ?? reader, preventDefault() {} });
  const row = reader.querySelector("tr[aria-current]");
  return [
    key,
    row && [traces.indexOf(row.closest("details.trace")), row.dataset.step],
    traces[0].querySelector("tbody").rows.map((one) => one.dataset.step).join(""),
    traces.map((one) => one.open).join(),
    row && row.querySelector("details.instead").open,
  ];
}

const KEYS = "ArrowDown j ArrowDown ArrowDown k Enter Enter s s s ArrowRight ArrowRight ArrowLeft".split(" ");
console.log(JSON.stringify({ helps: !help.hidden, seen: KEYS.map(told) }));
