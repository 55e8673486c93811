// What pages do beyond being read: they call the API. Text is set as text, never as markup.
"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const token = one('meta[name="form-token"]')?.content;

  /** An element with properties and children; children are nodes or text. */
  const made = (tag, properties = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.includes("-") || name === "for" || name === "class" || name === "list") element.setAttribute(name, value);
      else element[name] = value;
    }
    element.append(...children);
    return element;
  };

  const headers = (more = {}) => (token ? { "X-Form-Token": token, ...more } : more);

  /** The answer of the API: its status, and its body as JSON where it is that. */
  const ask = async (method, path, body, more = {}) => {
    const json = body !== undefined && !(body instanceof Blob);
    try {
      const answer = await fetch(path, {
        method,
        headers: headers(json ? { "Content-Type": "application/json", ...more } : more),
        body: json ? JSON.stringify(body) : body,
      });
      const text = await answer.text();
      let value = {};
      try { value = JSON.parse(text); } catch { /* no JSON, no value */ }
      return { ok: answer.ok, status: answer.status, value };
    } catch {
      return { ok: false, status: 0, value: { detail: "the server cannot be reached: look whether it runs, then try again" } };
    }
  };

  const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : "");
  const percent = (share) => `${(100 * share).toLocaleString("en", { maximumSignificantDigits: 3 })}\u00a0%`;
  const amount = (x) => x.toLocaleString("en", { maximumSignificantDigits: 3 });
  const duration = (s) => (s < 90 ? `${Math.ceil(s)} s` : s < 5400 ? `${Math.round(s / 60)} min` : `${amount(s / 3600)} h`);

  /** What a refusal says, in sentences: also what to do after a session has ended. */
  const words = ({ status, value }) =>
    status === 401 ? "The session has ended: load this page again and sign in." : sentence(value.detail || value.title || "something failed");

  /** Says at a field what is wrong with it, or nothing. */
  const fault = (field, text) => {
    const place = document.getElementById(`${field.id}-fault`);
    if (place) place.textContent = text;
    if (text) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  };
  /** How a file is compressed, by its name. */
  const packed = ({ name }) => (name.endsWith(".gz") ? "gzip" : name.endsWith(".zst") ? "zstd" : null);
  const clear = (form) => {
    all("[aria-invalid]", form).forEach((field) => fault(field, ""));
    all("p.fault", form).forEach((place) => { place.textContent = ""; });
  };
  /** The first field with a fault gets the focus: screen readers read what describes it. */
  const first = (form) => one("[aria-invalid]", form)?.focus();

  const number = (field, { whole = false, least = -Infinity, most = Infinity } = {}) => {
    const x = Number(field.value.trim());
    if (field.value.trim() === "" || !Number.isFinite(x) || (whole && !Number.isInteger(x)) || x < least || x > most) {
      const kind = whole ? "a whole number" : "a number";
      fault(field, `Write ${kind}${Number.isFinite(least) ? ` from ${least}` : ""}${Number.isFinite(most) ? ` to ${most}` : ""}.`);
      return null;
    }
    return x;
  };

  /** The problems of a table that was refused: one line for all rows that have the same. */
  const problems = (answer) => {
    const groups = new Map();
    for (const { row, column, reason } of answer.value.problems || []) {
      const key = JSON.stringify([column, reason]);
      groups.set(key, { column, reason, rows: [...(groups.get(key)?.rows || []), row] });
    }
    const where = ({ column, rows }) => {
      const more = rows.length > 4 ? ` and ${rows.length - 4} more` : "";
      const place = rows[0] === 0 ? "header" : `row${rows.length > 1 ? "s" : ""} ${rows.slice(0, 4).join(", ")}${more}`;
      return column ? `Column "${column}", ${place}: ` : `${place[0].toUpperCase()}${place.slice(1)}: `;
    };
    const list = [...groups.values()].map((group) => made("li", {}, where(group), group.reason));
    return [
      made("p", { className: "fault" }, words(answer)),
      ...(list.length ? [made("ul", {}, ...list), made("p", { className: "soft" }, "Rows count from 1 below the header. Nothing was stored. Mend the table, or what is declared, and send it again.")] : []),
    ];
  };

  /** Sends a table with a bar that says how much was sent. */
  const send = (path, file, bar) => new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open("PUT", path);
    request.setRequestHeader("Content-Type", "text/csv");
    if (packed(file)) request.setRequestHeader("Content-Encoding", packed(file));
    if (token) request.setRequestHeader("X-Form-Token", token);
    bar.hidden = false;
    request.upload.onprogress = (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; };
    const end = () => {
      bar.hidden = true;
      let value = { detail: "the connection broke: nothing was stored, try again" };
      try { value = JSON.parse(request.responseText); } catch { /* nothing came back */ }
      done({ ok: request.status === 201, status: request.status, value });
    };
    request.onload = end;
    request.onerror = end;
    request.send(file);
  });

  /** Keeps a form from being sent twice while `work` is under way. */
  const once = (form, work) => form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = one('button[type="submit"]', form);
    if (button.disabled) return;
    button.disabled = true;
    clear(form);
    try { await work(); } finally { button.disabled = false; first(form); }
  });

  // Signing out
  one("[data-sign-out]")?.addEventListener("click", async () => {
    await ask("POST", "/sign-out");
    location.assign("/");
  });

  // A larger grant, and a new version of the rows
  for (const form of all("form[data-raise]")) {
    once(form, async () => {
      const field = form.elements.epsilon, epsilon = number(field, { least: 0.001, most: 1000 });
      if (epsilon === null) return;
      const answer = await ask("POST", `/v1/datasets/${form.dataset.raise}/budget`, { epsilon });
      if (answer.ok) location.reload();
      else fault(field, words(answer));
    });
  }
  for (const form of all("form[data-version]")) {
    once(form, async () => {
      const field = form.elements.table, place = one("[data-problems]", form);
      place.replaceChildren();
      if (!field.files.length) return fault(field, "Choose a file first.");
      const answer = await send(`/v1/datasets/${form.dataset.version}/rows`, field.files[0], one("progress", form));
      if (answer.ok) location.reload();
      else place.replaceChildren(...problems(answer));
    });
  }

  // A job: its estimate, and its start
  const wishes = (form) => {
    const field = form.elements, request = { dataset: form.dataset.job, method: {} };
    request.epsilon = number(field.epsilon, { least: 0.001, most: 1000 });
    request.rows = number(field.rows, { whole: true, least: 1, most: 10000000 });
    const released = number(field.released, { least: 0, most: 1000 });
    request.method.stage1 = field.stage1.value;
    if (field.stage2.value) request.method.stage2 = field.stage2.value;
    if (field.model.value.trim()) request.method.model = field.model.value.trim();
    if (released) request.report = { released_epsilon: released };
    return request.epsilon === null || request.rows === null || released === null ? null : request;
  };
  const places = { epsilon: "epsilon", rows: "rows", "method.stage1": "stage1", "method.stage2": "stage2", "method.model": "model", "report.released_epsilon": "released" };
  /** Puts a refusal at the field that it is about, or below the form. */
  const blame = (form, answer) => {
    const name = places[answer.value.at] || (answer.value.at || "").split(".").map((part) => places[part]).find(Boolean);
    if (name) fault(form.elements[name], words(answer));
    else one("[data-fault]", form).textContent = words(answer);
  };
  /** How far counts of single values are off, from the noise that is planned. */
  const band = (estimate, form) => {
    const noise = estimate.measure?.histograms;
    if (!noise) return "known from its report, once it is done";
    const { columns, rows, rowsEach } = form.dataset;
    const off = noise * Math.sqrt(columns) * rowsEach, share = off / rows;
    const word = share < 0.001 ? "fine" : share < 0.01 ? "good for all but rare values" : share < 0.05 ? "coarse: common values alone" : "mostly noise";
    return `${word}; how often a value occurs is off by about ${amount(off)} rows (${percent(share)})`;
  };
  const estimate = (form, value) => {
    const line = (name, ...content) => made("div", {}, made("dt", {}, name), made("dd", {}, ...content));
    const verdict = value.fits_budget
      ? made("span", { className: "yes" }, "fits")
      : made("span", { className: "no" }, "does not fit: choose a smaller epsilon, or have the budget raised");
    const memory = value.fits_memory ? [] : [line("Memory", made("span", { className: "no" }, `takes ${amount(value.memory_bytes / 1e9)} GB of ${amount(value.memory_limit_bytes / 1e9)}: ask for fewer rows, or another stage 2`))];
    return made("dl", {},
      line("Costs", `${percent(value.share)} of the budget, of which ${percent(value.remaining)} is left: `, verdict),
      line("Time", `about ${duration(value.seconds)} of work, and the wait for its turn`),
      line("Likeness", band(value, form)),
      ...(value.steps ? [line("Training", `${value.steps} private steps, noise ${amount(value.noise_multiplier)} times the clipping norm`)] : []),
      ...memory);
  };
  for (const form of all("form[data-job]")) {
    const place = one("[data-estimate]", form);
    let turn = 0, timer;
    const look = async () => {
      if (one('button[type="submit"]', form).disabled) return;
      clear(form);
      const request = wishes(form), mine = ++turn;
      if (!request) return place.replaceChildren(made("p", { className: "soft" }, "Mend what is marked to see what it would cost."));
      const answer = await ask("POST", "/v1/estimates", request);
      if (mine !== turn) return;
      if (answer.ok) return place.replaceChildren(estimate(form, answer.value));
      place.replaceChildren(made("p", { className: "soft" }, "No estimate."));
      blame(form, answer);
    };
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, 300); });
    look();
    once(form, async () => {
      // What an estimate would say at the fields comes too late now.
      clearTimeout(timer);
      turn += 1;
      const request = wishes(form);
      if (!request) return;
      form.dataset.once ||= crypto.getRandomValues(new Uint32Array(4)).join("-");
      // A form that is sent again after a lost answer makes no second job.
      const answer = await ask("POST", "/v1/jobs", request, { "Idempotency-Key": form.dataset.once });
      if (answer.ok) return location.assign(`/jobs/${answer.value.id}`);
      delete form.dataset.once;
      if (answer.value.code === "budget_exhausted") {
        const most = answer.value.largest_next_epsilon;
        return fault(form.elements.epsilon, most > 0
          ? `The budget does not allow this: ${percent(answer.value.requested)} asked for, ${percent(answer.value.remaining)} left. The largest epsilon that fits is ${most}.`
          : `The budget is used up: ${percent(answer.value.remaining)} is left. A custodian may grant more.`);
      }
      blame(form, answer);
    });
  }

  // A job, live
  for (const area of all("[data-live]")) {
    const id = area.dataset.live, state = one("[data-state]", area), said = one("[data-said]", area);
    const bar = one("progress", area), stages = all("[data-stage]", area);
    const at = (stage) => {
      const place = stages.findIndex((item) => item.dataset.stage === stage);
      if (place < 0 || stages[place].className === "now") return;
      stages.forEach((item, i) => {
        item.className = i < place ? "done" : i === place ? "now" : "later";
        item.toggleAttribute("aria-current", i === place);
        if (i !== place) one("[data-count]", item).textContent = "";
      });
      said.textContent = stages[place].firstChild.textContent.trim() + ".";
    };
    const feed = new EventSource(`/v1/jobs/${id}/events`);
    feed.addEventListener("status", (event) => {
      const { status } = JSON.parse(event.data);
      if (!["queued", "running"].includes(status)) {
        feed.close();
        return location.reload();
      }
      if (state.textContent !== status) {
        state.textContent = status;
        state.className = `state ${status}`;
        if (status === "running") said.textContent = "";
      }
    });
    feed.addEventListener("stage", (event) => at(JSON.parse(event.data).stage));
    feed.addEventListener("progress", (event) => {
      const { stage, step, steps, fraction } = JSON.parse(event.data);
      at(stage);
      bar.value = fraction;
      const item = stages.find((item) => item.dataset.stage === stage);
      if (item) one("[data-count]", item).textContent = `${step} of ${steps}`;
    });
    feed.onerror = () => {
      one("[data-feed]", area).textContent = feed.readyState === EventSource.CLOSED
        ? "The stream has ended: load this page again to see how the job stands."
        : "The connection broke; trying again.";
    };
    feed.onopen = () => { one("[data-feed]", area).textContent = "This page follows the job by itself."; };
    // The place in the queue is no event.
    const place = setInterval(async () => {
      if (state.textContent !== "queued") return clearInterval(place);
      const { value } = await ask("GET", `/v1/jobs/${id}`);
      if (value.queue_position) said.textContent = value.queue_position === 1 ? "Next in the queue." : `Number ${value.queue_position} in the queue.`;
    }, 5000);
  }
  for (const button of all("[data-cancel]")) {
    button.addEventListener("click", async () => {
      if (!confirm("Cancel this job? What was charged stays charged.")) return;
      const answer = await ask("POST", `/v1/jobs/${button.dataset.cancel}/cancel`);
      if (!answer.ok) one("[data-fault]").textContent = words(answer);
      else if (!["queued", "running"].includes(answer.value.status)) location.reload();
      else button.disabled = true;
    });
  }

  // From a file to a dataset
  const form = one("form[data-upload]");
  if (!form) return;
  const PART = 32 * 1024 * 1024;
  const status = one("[data-status]"), list = one("[data-columns]"), target = form.elements.target, person = form.elements.person;
  let file = null, columns = [], begun = null;

  /** As much of a file as it takes to guess, in whole lines. */
  const part = async (whole) => {
    if (whole.size <= PART || packed(whole)) return whole;
    const bytes = new Uint8Array(await whole.slice(0, PART).arrayBuffer());
    return new Blob([bytes.subarray(0, bytes.lastIndexOf(10) + 1)]);
  };

  /** One column: its fields, and what they say. */
  const column = (guess, notes, index) => {
    const id = `column-${index}`;
    const input = (key, label, more = {}) => {
      const field = made("input", { id: `${id}-${key}`, value: guess[key] ?? "", autocomplete: "off", ...more });
      return { field, box: made("div", {}, made("label", { for: field.id }, label), field) };
    };
    const kinds = [["categorical", "categories"], ["boolean", "yes or no"], ["integer", "whole numbers"], ["number", "numbers"], ["datetime", "dates or moments"]];
    const type = made("select", { id: `${id}-type` }, ...kinds.map(([value, text]) => made("option", { value, selected: value === guess.type }, text)));
    const least = input("min", "From"), most = input("max", "To"), step = input("step", "In steps of");
    const names = made("textarea", { id: `${id}-names`, value: (guess.categories || []).join("\n"), spellcheck: false });
    const categories = made("div", { className: "whole" }, made("label", { for: names.id }, "Categories, one a line"), names);
    const missing = made("input", { type: "checkbox", checked: Boolean(guess.nullable) });
    const place = made("p", { className: "fault whole", id: `${id}-fault`, role: "alert" });
    const box = made("fieldset", {}, made("legend", {}, guess.name),
      made("div", { className: "column" },
        made("div", {}, made("label", { for: type.id }, "Type"), type), least.box, most.box, step.box, categories,
        made("label", { class: "line whole" }, missing, "may be missing"), place,
        ...notes.map((note) => made("p", { className: "soft whole" }, sentence(note)))));
    const show = () => {
      categories.hidden = type.value !== "categorical";
      [least, most, step].forEach(({ box }) => { box.hidden = ["categorical", "boolean"].includes(type.value); });
    };
    type.addEventListener("change", show);
    show();
    const says = () => {
      const told = { name: guess.name, type: type.value };
      if (missing.checked) told.nullable = true;
      if (type.value === "boolean") return told;
      if (type.value === "categorical") return { ...told, categories: names.value.split("\n").map((name) => name.trim()).filter(Boolean) };
      for (const [key, { field }] of [["min", least], ["max", most], ["step", step]]) {
        const text = field.value.trim();
        if (text) told[key] = type.value === "datetime" || !Number.isFinite(Number(text)) ? text : Number(text);
      }
      return told;
    };
    const blame = (text) => {
      place.textContent = text;
      const field = type.value === "categorical" ? names : least.field;
      if (text) field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", place.id);
    };
    return { name: guess.name, box, says, blame };
  };

  const rounded = (n) => { const unit = 10 ** Math.max(0, Math.floor(Math.log10(n))); return Math.max(1, Math.round(n / unit) * unit); };

  const read = async (chosen) => {
    if (!chosen) return;
    clear(form);
    file = chosen;
    status.textContent = `Reading ${file.name} ...`;
    const answer = await ask("POST", "/v1/schema-proposals", await part(file), { "Content-Type": "text/csv", ...(packed(file) ? { "Content-Encoding": packed(file) } : {}) });
    if (file !== chosen) return;
    if (!answer.ok) {
      status.textContent = "";
      const [said] = answer.value.problems || [];
      fault(form.querySelector("#file"), `This table cannot be read. ${said ? `${said.row ? `Row ${said.row}` : "Header"}${said.column ? `, column "${said.column}"` : ""}: ${sentence(said.reason)}` : words(answer)}`);
      return one("#file").focus();
    }
    const { schema, notes, rows } = answer.value;
    columns = schema.columns.map((guess, i) => column(guess, notes[guess.name] || [], i));
    list.replaceChildren(...columns.map(({ box }) => box));
    target.replaceChildren(made("option", { value: "" }, "none"), ...columns.map(({ name }) => made("option", { value: name }, name)));
    person.replaceChildren(...columns.map(({ name }) => made("option", { value: name }, name)));
    form.elements.rows_public.value = rounded(rows);
    form.elements.delta.value = Math.min(1e-6, Number((0.1 / rounded(rows)).toPrecision(1)));
    form.elements.name.value ||= file.name.replace(/\.(csv|gz|zst)/g, "").slice(0, 100);
    all("[data-step]").forEach((step) => { step.hidden = false; });
    status.textContent = `${file.name}: ${columns.length} columns. Look through what is proposed below.`;
    one("#schema-step").focus();
  };
  one("#file").addEventListener("change", (event) => read(event.target.files[0]));
  const drop = one("[data-drop]");
  const over = (on) => (event) => { event.preventDefault(); drop.classList.toggle("over", on); };
  drop.addEventListener("dragover", over(true));
  drop.addEventListener("dragleave", over(false));
  drop.addEventListener("drop", (event) => { over(false)(event); read(event.dataTransfer.files[0]); });

  const byPerson = () => form.elements.unit.value === "person";
  all('input[name="unit"]', form).forEach((field) => field.addEventListener("change", () => { one("[data-person]").hidden = !byPerson(); show(); }));
  const show = () => columns.forEach(({ name, box }) => { box.hidden = byPerson() && person.value === name; });
  person.addEventListener("change", show);

  const declaration = () => {
    const field = form.elements;
    const name = field.name.value.trim();
    if (!name) fault(field.name, "Write a name.");
    const rows = number(field.rows_public, { whole: true, least: 1, most: 1e9 });
    const epsilon = number(field.epsilon, { least: 0.001, most: 1000 }), delta = number(field.delta, { least: 1e-15, most: 0.1 });
    const unit = { kind: "row" };
    if (byPerson()) Object.assign(unit, { kind: "person", column: person.value, max_rows: number(field.max_rows, { whole: true, least: 1, most: 64 }) });
    const kept = columns.filter((column) => !byPerson() || column.name !== person.value);
    columns.forEach((column) => column.blame(""));
    const schema = { columns: kept.map((column) => column.says()) };
    if (field.rules.value.trim()) {
      try {
        schema.rules = JSON.parse(field.rules.value);
      } catch (error) {
        fault(field.rules, `This is no JSON: ${error.message}.`);
      }
    }
    if (target.value && kept.some(({ name }) => name === target.value)) schema.target = target.value;
    const empty = kept.filter((column, i) => schema.columns[i].categories?.length === 0);
    empty.forEach((column) => column.blame("List the values that may occur, one a line; or remove the column from the table."));
    if (one("[aria-invalid]", form)) return null;
    return { body: { name, schema, privacy_unit: unit, budget: { epsilon, delta }, rows_public: rows }, kept };
  };

  /** Puts a refused declaration where it is at fault. */
  const refused = (answer, kept, place) => {
    const at = answer.value.at || "", inside = /columns\[(\d+)\]/.exec(at);
    const name = at.startsWith("rules") ? "rules" : { name: "name", rows_public: "rows_public", "budget.delta": "delta", "budget.epsilon": "epsilon", epsilon: "epsilon", delta: "delta", target: "target", "privacy_unit.column": "person", "privacy_unit.max_rows": "max_rows" }[at];
    if (inside && kept[inside[1]]) kept[inside[1]].blame(sentence((answer.value.detail || "").replace(/^columns\[\d+\][^:]*: */, "")));
    else if (name) fault(form.elements[name], words(answer));
    else if (answer.status === 409) fault(form.elements.name, words(answer));
    else place.replaceChildren(made("p", { className: "fault" }, words(answer)));
  };

  once(form, async () => {
    const place = one("[data-problems]", form), sending = one("[data-sending]", form);
    place.replaceChildren();
    if (!file) return fault(one("#file"), "Choose a file first.");
    const told = declaration();
    if (!told) return;
    // What was declared a moment ago and got no rows is declared anew.
    if (begun) await ask("DELETE", `/v1/datasets/${begun}`);
    begun = null;
    const made_ = await ask("POST", "/v1/datasets", told.body);
    if (!made_.ok) return refused(made_, told.kept, place);
    begun = made_.value.id;
    sending.textContent = "Uploading and checking every row ...";
    const answer = await send(`/v1/datasets/${begun}/rows`, file, one("progress", form));
    sending.textContent = "";
    if (answer.ok) return location.assign(`/datasets/${begun}`);
    place.replaceChildren(...problems(answer));
    place.scrollIntoView({ block: "center" });
  });
})();
