// The reader of traces: the order of steps, and keys. Without it the page shows every step in the order written.
"use strict";
(() => {
  const reader = document.getElementById("traces");
  const traces = [...reader.querySelectorAll("details.trace")];
  const ORDERS = {
    written: (row) => Number(row.dataset.step),
    overstated: (row) => -row.dataset.mismatch,
    understated: (row) => Number(row.dataset.mismatch),
  };
  for (const help of reader.querySelectorAll(".keys, .orders")) help.hidden = false;

  function arrange(trace, order) {
    const body = trace.querySelector("tbody");
    const last = (row) => order !== "written" && row.dataset.mismatch === "";
    const rows = [...body.rows].sort(
      (one, other) => last(one) - last(other) || ORDERS[order](one) - ORDERS[order](other) || one.dataset.step - other.dataset.step,
    );
    body.append(...rows);
    for (const button of trace.querySelectorAll(".orders button")) {
      button.setAttribute("aria-pressed", String(button.dataset.order === order));
    }
  }

  function go(row) {
    if (!row) return;
    current()?.removeAttribute("aria-current");
    // What it stands in may be folded, trace and section.
    for (let outer = row.closest("details"); outer; outer = outer.parentElement.closest("details")) outer.open = true;
    row.setAttribute("aria-current", "true");
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  const current = () => reader.querySelector("tr[aria-current]");
  const firstOf = (trace) => trace?.querySelector("tbody tr");

  function move(by) {
    const row = current();
    if (!row) return go(firstOf(traces.find((trace) => trace.open && firstOf(trace)) ?? traces.find(firstOf)));
    go((by > 0 ? row.nextElementSibling : row.previousElementSibling) ?? row);
  }

  function turn(by) {
    const place = traces.indexOf(current()?.closest("details.trace"));
    let next = place + by;
    while (traces[next] && !firstOf(traces[next])) next += by;
    if (!traces[next]) return;
    if (place >= 0) traces[place].open = false;
    go(firstOf(traces[next]));
  }

  function nextOrder() {
    const trace = current()?.closest("details.trace") ?? traces.find((one) => one.open);
    const names = Object.keys(ORDERS);
    const now = trace?.querySelector('.orders [aria-pressed="true"]')?.dataset.order;
    if (!now) return;
    arrange(trace, names[(names.indexOf(now) + 1) % names.length]);
    go(firstOf(trace));
  }

  function unfold() {
    const instead = current()?.querySelector("details.instead");
    if (instead) instead.open = !instead.open;
  }

  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    ArrowRight: () => turn(1),
    ArrowLeft: () => turn(-1),
    Enter: unfold,
    s: nextOrder,
  };
  // Letters are heard while the focus is among the traces: elsewhere they may be another tool's, as for who speaks to the
  // page (WCAG 2.1.4). Arrows and Enter, which belong to the browser, only once a step is chosen.
  document.addEventListener("keydown", (event) => {
    if (!Object.hasOwn(KEYS, event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    const focus = document.activeElement;
    const isLetter = event.key.length === 1;
    if (isLetter ? !reader.contains(focus) : !focus.matches("tr[aria-current]")) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  reader.addEventListener("click", (event) => {
    const button = event.target.closest(".orders button");
    if (button) return arrange(button.closest("details.trace"), button.dataset.order);
    const row = event.target.closest("tbody tr");
    if (row && !event.target.closest("summary") && !String(getSelection())) go(row);
  });
})();
