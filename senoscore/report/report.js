"use strict";
(() => {
  const tip = document.getElementById("tip");
  const mark = (node) =>
    node instanceof Element ? node.closest(".role-mark [aria-label]") : null;
  const place = (x, y) => {
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, x + 14), window.innerWidth - box.width - 8);
    const above = y - box.height - 12;
    tip.style.left = `${left}px`;
    tip.style.top = `${above < 8 ? y + 16 : above}px`;
  };
  const show = (event) => {
    const found = mark(event.target);
    tip.hidden = !found;
    if (!found) return;
    tip.textContent = found.getAttribute("aria-label");
    place(event.clientX, event.clientY);
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  const value = (row, index) => {
    const cell = row.cells[index];
    return cell.dataset.v !== undefined ? Number(cell.dataset.v) : cell.textContent;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : typeof a === "number" ? -1
      : typeof b === "number" ? 1
      : a.localeCompare(b, undefined, { numeric: true });
  const sort = (head) => {
    const body = head.closest("table").tBodies[0];
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].sort(
      (a, b) => compare(value(a, head.cellIndex), value(b, head.cellIndex)) * (down ? -1 : 1),
    );
    body.append(...rows);
  };
  for (const head of document.querySelectorAll("th")) {
    head.tabIndex = 0;
    head.addEventListener("click", () => sort(head));
    head.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(head); }
    });
  }
  // A heading says what its column means: the browser shows it to a mouse, this to a keyboard.
  document.addEventListener("focusin", (event) => {
    const head = event.target.closest("th[title]");
    tip.hidden = !head;
    if (!head) return;
    tip.textContent = head.title;
    const box = head.getBoundingClientRect();
    place(box.left, box.bottom);
  });

  const FEW = 10;
  for (const grid of document.querySelectorAll(".scroll")) {
    const rows = [...grid.querySelector("tbody").rows];
    if (rows.length <= FEW) continue;
    const label = document.createElement("label");
    label.className = "filter";
    const box = document.createElement("input");
    box.type = "search";
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    label.append("Show rows with ", box, " ", count);
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = [...row.cells].map((c) => c.title || c.textContent).join("\t").toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      count.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
    });
    grid.before(label);
  }

  // Everything in one file, made here: a page that was sent on alone still has it, and it costs
  // no byte of the page. Entries are stored in order of name and bear no time.
  const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k += 1) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n >>> 0;
  });
  const crc32 = (bytes) => {
    let crc = 0xffffffff;
    for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
    return (crc ^ 0xffffffff) >>> 0;
  };
  const fields = (...pairs) => {
    const out = new DataView(new ArrayBuffer(pairs.reduce((sum, [size]) => sum + size, 0)));
    let at = 0;
    for (const [size, number] of pairs) {
      if (size === 2) out.setUint16(at, number, true);
      else out.setUint32(at, number, true);
      at += size;
    }
    return new Uint8Array(out.buffer);
  };
  const archive = (files) => {
    const parts = [];
    const directory = [];
    let offset = 0;
    for (const [name, bytes] of files) {
      const path = new TextEncoder().encode(name);
      // Version 2.0, names in UTF-8, stored, 1 January 1980, sizes twice as nothing is packed.
      const common = [
        [2, 20], [2, 0x800], [2, 0], [2, 0], [2, 33], [4, crc32(bytes)],
        [4, bytes.length], [4, bytes.length], [2, path.length], [2, 0],
      ];
      const head = fields([4, 0x04034b50], ...common);
      parts.push(head, path, bytes);
      const entry = fields(
        [4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset],
      );
      directory.push(entry, path);
      offset += head.length + path.length + bytes.length;
    }
    const size = directory.reduce((sum, part) => sum + part.length, 0);
    const end = fields(
      [4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length],
      [4, size], [4, offset], [2, 0],
    );
    return new Blob([...parts, ...directory, end], { type: "application/zip" });
  };
  const collected = () => {
    const files = new Map();
    const text = (content) => new TextEncoder().encode(content);
    for (const a of document.querySelectorAll("a.dl")) {
      const packed = atob(a.href.split("base64,")[1]);
      files.set(`tables/${a.download}`, Uint8Array.from(packed, (c) => c.charCodeAt(0)));
    }
    for (const figure of document.querySelectorAll("figure[id]")) {
      const svg = figure.querySelector(".wide svg");
      if (!svg) continue;
      const name = `figures/${figure.id.replace("fig-", "")}.svg`;
      files.set(name, text(new XMLSerializer().serializeToString(svg)));
    }
    const large = [...document.querySelectorAll(".too-large")].map(
      (node) => `${node.dataset.file}: ${node.textContent}`,
    );
    const cite = document.getElementById("cite-text");
    const said = [document.title, ...large, cite ? cite.innerText : ""].filter(Boolean);
    files.set("README.txt", text(`${said.join("\n\n")}\n`));
    return [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  };
  const zip = document.getElementById("zip");
  zip.hidden = false;
  zip.addEventListener("click", () => {
    const a = document.createElement("a");
    a.href = URL.createObjectURL(archive(collected()));
    a.download = "senoscore_report.zip";
    a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 60000);
  });

  const copy = document.getElementById("copy");
  if (copy) {
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      const cite = document.getElementById("cite-text");
      const told = document.getElementById("copied");
      try {
        await navigator.clipboard.writeText(cite.innerText);
        told.textContent = "Copied.";
      } catch {
        // Not every browser lets a file on the disk write to the clipboard: select it instead.
        getSelection().selectAllChildren(cite);
        told.textContent = "Selected: press Ctrl+C (⌘C) to copy.";
      }
    });
  }

  const closed = [];
  window.addEventListener("beforeprint", () => {
    for (const d of document.querySelectorAll("#gaps details:not([open])")) { d.open = true; closed.push(d); }
  });
  window.addEventListener("afterprint", () => { while (closed.length) closed.pop().open = false; });

  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const a of links.values()) a.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  for (const section of document.querySelectorAll("main > section")) watch.observe(section);
})();
