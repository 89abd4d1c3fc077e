// What a page does beside being read: tables are sorted by the titles of their columns. Without this they stay as written.
"use strict";
(() => {
  // Fewer rows than this are read faster than sorted.
  const LEAST_ROWS = 4;
  // In one unit of their kind: seconds, bytes.
  const UNITS = { µs: 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };
  const FIGURE = /^[≈≤≥<>~]?\s*([+−-]?\d[\d,]*(?:\.\d+)?)(?:\s*([a-zµ]+)(?:\s+(\d+)\s*min)?)?/i;
  const inOrder = new Intl.Collator("en", { numeric: true }).compare;

  // What a cell says itself: its interval and the word below it are elements with a class.
  const words = (cell) =>
    [...(cell?.childNodes ?? [])].filter((node) => !node.className).map((node) => node.textContent).join("").trim();

  function figure(cell) {
    const [, digits, unit, minutes] = FIGURE.exec(words(cell)) ?? [];
    if (digits === undefined) return NaN;
    const factor = Object.hasOwn(UNITS, unit ?? "") ? UNITS[unit] : 1;
    return Number(digits.replaceAll(",", "").replace("−", "-")) * factor + 60 * (minutes ?? 0);
  }

  // The rows below each heading within the table; small print stays with the row that it belongs to.
  function blocks(body) {
    const found = [{ heading: [], items: [] }];
    for (const row of body.rows) {
      if (row.classList.contains("group")) found.push({ heading: [row], items: [] });
      else if (row.classList.contains("spread") && found.at(-1).items.length) found.at(-1).items.at(-1).push(row);
      else found.at(-1).items.push([row]);
    }
    return found;
  }

  // By a column: missing values last either way, equals as written.
  function by(place, asText, direction) {
    const value = asText ? ([row]) => words(row.cells[place]) : ([row]) => figure(row.cells[place]);
    const isMissing = asText ? (one) => one === "" || one === "–" : Number.isNaN;
    const compare = asText ? inOrder : (one, other) => one - other;
    const sign = direction === "descending" ? -1 : 1;
    return (first, second) => {
      const [one, other] = [value(first), value(second)];
      return isMissing(one) - isMissing(other) || (isMissing(one) ? 0 : sign * compare(one, other));
    };
  }

  function makeSortable(table) {
    const [body, titles] = [table.tBodies[0], [...table.tHead.rows[0].cells]];
    const written = blocks(body);
    if (Math.max(...written.map((block) => block.items.length)) < LEAST_ROWS) return;

    // A column of words may hold numbers all the same.
    function isText(title) {
      const rows = written.flatMap((block) => block.items);
      const figures = rows.filter(([row]) => !Number.isNaN(figure(row.cells[title.cellIndex])));
      return title.classList.contains("text") && 2 * figures.length < rows.length;
    }

    // The best first, then the other way round, then as written.
    function turn(title) {
      const best = title.querySelector('[aria-label="higher is better"]') ? "descending" : "ascending";
      const worst = best === "descending" ? "ascending" : "descending";
      const next = { [best]: worst, [worst]: null }[title.getAttribute("aria-sort")];
      const direction = next === undefined ? best : next;
      for (const other of titles) other.removeAttribute("aria-sort");
      if (direction) title.setAttribute("aria-sort", direction);
      const order = direction && by(title.cellIndex, isText(title), direction);
      for (const { heading, items } of written) body.append(...heading, ...(order ? [...items].sort(order) : items).flat());
    }

    for (const title of titles) {
      if (!title.textContent.trim()) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...title.childNodes);
      button.addEventListener("click", () => turn(title));
      title.append(button);
    }
  }

  const frames = [...document.querySelectorAll(".scroll")];
  for (const frame of frames) makeSortable(frame.querySelector("table"));

  // A frame is a stop of the keyboard only where there is something to scroll to.
  const sizes = new ResizeObserver((changed) => {
    for (const { target } of changed) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
  });
  for (const frame of frames) sizes.observe(frame);

  // What is folded is opened on paper: by styles where the browser can, else here.
  if (!CSS.supports("selector(::details-content)")) {
    const folded = () => document.querySelectorAll("details:not(.trace, .instead, [open])");
    let opened = [];
    addEventListener("beforeprint", () => {
      opened = [...folded()];
      for (const one of opened) one.open = true;
    });
    addEventListener("afterprint", () => {
      for (const one of opened) one.open = false;
    });
  }
})();
