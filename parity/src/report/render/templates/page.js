"use strict";
// What is shown of the report is kept in the address after the #, so that a link restores it:
// #case/NAME/STAGE?show=failed&q=words&sort=headroom. Without this script everything is shown at once.
(() => {
  const one = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const FILTERS = {
    all: [],
    failed: ["fail"],
    missing: ["missing"],
    damaged: ["damaged"],
    passed: ["pass"],
    stale: ["stale"],
    skipped: ["skipped"],
  };
  const tools = one(".tools");
  const help = one("#help");
  const order = all(".matrix .row");
  const state = { path: "", show: "all", q: "", sort: "" };

  function read() {
    const [path, query = ""] = location.hash.slice(1).split("?");
    state.path = decodeURIComponent(path);
    const words = new URLSearchParams(query);
    // A link inside the page names only a place; the filters stay as they are.
    if (query || !path) {
      state.show = words.get("show") in FILTERS ? words.get("show") : query ? "all" : state.show;
      state.q = words.get("q") ?? (query ? "" : state.q);
      state.sort = words.get("sort") === "headroom" ? "headroom" : query ? "" : state.sort;
    }
  }

  function address() {
    const words = new URLSearchParams();
    if (state.show !== "all") words.set("show", state.show);
    if (state.q) words.set("q", state.q);
    if (state.sort) words.set("sort", state.sort);
    return "#" + state.path + (words.size ? "?" + words : "");
  }

  const matches = (row) => {
    const has = row.dataset.has.split(" ");
    const wanted = FILTERS[state.show];
    const shown = !wanted.length || wanted.some((verdict) => has.includes(verdict));
    const passed = state.show !== "passed" || has.length === 1;
    return shown && passed && row.dataset.search.includes(state.q.toLowerCase());
  };

  // In each group, the case with the least room first, or the order of the run.
  function sort() {
    const left = (row) => state.sort ? Number(row.dataset.headroom) : order.indexOf(row);
    for (const body of all(".matrix tbody")) {
      body.append(...all(".row", body).sort((a, b) => left(a) - left(b)));
    }
  }

  function filter() {
    tools.elements.show.value = state.show;
    tools.elements.q.value = state.q;
    tools.elements.tight.checked = state.sort === "headroom";
    sort();
    const rows = all(".matrix .row");
    const looking = state.show !== "all" || state.q !== "";
    for (const body of all(".matrix tbody")) {
      // A filter or search shows matching rows of folded groups too.
      const folded = "folded" in body.dataset && !looking;
      one(".fold", body)?.setAttribute("aria-expanded", String(!folded));
      for (const row of all(".row", body)) row.hidden = folded || !matches(row);
    }
    one(".shown").value = `${rows.filter(matches).length} of ${rows.length} cases`;
  }

  const links = () => all(".matrix .row:not([hidden]) .case a");
  const open = () => one("section.case:not([hidden])");

  function show() {
    const [kind, name] = state.path.split("/");
    const section = kind === "case" ? document.getElementById(`case/${name}`) : null;
    for (const other of all("section.case")) other.hidden = other !== section;
    one("#overview").hidden = Boolean(section);
    if (!section) {
      document.getElementById(state.path)?.scrollIntoView();
      return;
    }
    const paths = links().map((link) => link.getAttribute("href"));
    const here = paths.indexOf(`#case/${name}`);
    for (const [link, path] of [[".previous", paths[here - 1]], [".next", paths[here + 1]]]) {
      one(link, section).hidden = !path;
      one(link, section).href = path ?? "#";
    }
    const stage = document.getElementById(state.path);
    if (stage !== section) stage?.setAttribute("open", "");
    (stage ?? section).scrollIntoView();
    section.focus({ preventScroll: true });
  }

  // At once, not at the next hashchange, so that keys typed in between are not lost.
  function go(path) {
    state.path = path;
    history.pushState(null, "", address());
    show();
  }

  function arrive() {
    read();
    history.replaceState(null, "", address());
    filter();
    show();
  }

  // j and k: to the next case, on the overview by focus, in a case by opening it.
  function step(by) {
    const section = open();
    if (section) {
      const link = one(by > 0 ? ".next" : ".previous", section);
      if (!link.hidden) go(link.getAttribute("href").slice(1));
      return;
    }
    const rows = links().map((link) => link.closest("tr"));
    const at = rows.indexOf(document.activeElement.closest("tr"));
    const row = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by];
    const cell = document.activeElement.closest(".matrix td, .matrix th");
    const link = row && (one("a", row.cells[cell?.cellIndex ?? 0]) ?? one("a", row));
    link?.focus();
  }

  // h and l: along a row of the matrix.
  function along(by) {
    const row = document.activeElement.closest(".matrix .row");
    if (!row) return;
    const cells = all("a", row);
    cells[cells.indexOf(document.activeElement) + by]?.focus();
  }

  function nextError() {
    const errors = all(".matrix td.first a").map((link) => link.getAttribute("href").slice(1));
    if (errors.length) go(errors[(errors.indexOf(state.path) + 1) % errors.length]);
  }

  function nextFilter() {
    const names = Object.keys(FILTERS);
    state.show = names[(names.indexOf(state.show) + 1) % names.length];
    history.replaceState(null, "", address());
    filter();
  }

  const player = (key) => open()?.dispatchEvent(new CustomEvent("sound", { detail: key }));
  const KEYS = {
    j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
    l: () => along(1), ArrowRight: () => along(1), h: () => along(-1), ArrowLeft: () => along(-1),
    n: nextError, f: nextFilter, "/": () => (go(""), tools.elements.q.focus()),
    p: () => player("play"), 1: () => player("reference"), 2: () => player("candidate"),
    3: () => player("residual"), Escape: () => go(""), "?": () => help.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const writing = event.target.matches("input[type=search]");
    if (writing && event.key === "Escape") event.target.blur();
    const arrow = event.key.startsWith("Arrow");
    // Outside the matrix, arrows keep their meaning: they scroll, and move sliders and radios.
    const owned = arrow && !event.target.closest(".matrix");
    const other = event.ctrlKey || event.metaKey || event.altKey;
    if (writing || owned || other || help.open || one("[popover]:popover-open") || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  tools.addEventListener("input", () => {
    state.show = tools.elements.show.value;
    state.q = tools.elements.q.value;
    state.sort = tools.elements.tight.checked ? "headroom" : "";
    history.replaceState(null, "", address());
    filter();
  });
  tools.addEventListener("submit", (event) => event.preventDefault());
  one(".help").addEventListener("click", () => help.showModal());
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    // A click with a modifier key opens the link in another tab.
    const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (!link || elsewhere) return;
    event.preventDefault();
    go(decodeURIComponent(link.getAttribute("href").slice(1)));
  });
  document.addEventListener("click", async (event) => {
    const fold = event.target.closest(".fold");
    if (fold) {
      fold.closest("tbody").toggleAttribute("data-folded");
      filter();
    }
    const copy = event.target.closest(".copy");
    if (copy) {
      const code = one("code", copy.parentElement);
      try {
        await navigator.clipboard.writeText(code.textContent);
        copy.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(code);
        copy.textContent = "selected";
      }
    }
  });
  for (const link of all(".matrix td a")) link.title = link.ariaLabel;
  document.documentElement.classList.add("js");
  addEventListener("hashchange", arrive);
  arrive();
})();
