// The little that pages do by themselves: they stay true while they are open, and ask the API for moves and holds.
// Reading works without this. The token stays in this tab and goes into one header; nothing else sends it.

const TOKEN = "failover-api-token";
const LOOK_EVERY = 15000; // milliseconds
const WORDS = { primary: "primary", backup: "backup", mixed: "mixed", unknown: "unknown" };

// What this tab remembers; a browser that keeps nothing remembers until the page is left.
const memory = new Map();
const tab = {
  get: (key) => { try { return sessionStorage.getItem(key); } catch { return memory.get(key) ?? null; } },
  set: (key, value) => { try { sessionStorage.setItem(key, value); } catch { memory.set(key, value); } },
  drop: (key) => { try { sessionStorage.removeItem(key); } catch { memory.delete(key); } },
};
// The only way from text to markup, for pages of this very server.
const ownPages = globalThis.trustedTypes?.createPolicy("own-pages", { createHTML: (text) => text });
const parse = (text) => new DOMParser().parseFromString(ownPages ? ownPages.createHTML(text) : text, "text/html");

const byId = (id) => document.getElementById(id);
const element = (name, text, attributes = {}) => {
  const made = document.createElement(name);
  made.append(...[text].flat());
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const say = (text) => { byId("said").textContent = text; };
const authorized = (headers) => {
  const token = tab.get(TOKEN);
  return token ? { ...headers, Authorization: `Bearer ${token}` } : headers;
};
const load = async (address) => {
  const answer = await fetch(address, { headers: authorized({ Accept: "text/html" }), cache: "no-store" });
  return { status: answer.status, page: parse(await answer.text()) };
};

// Times: how long ago, by the server's clock.
let ahead = 0;
const ago = (time) => {
  const seconds = Math.max(0, Math.round((Date.now() + ahead - Date.parse(time.dateTime)) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  const date = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return `${Math.round(seconds / 86400)} days ago (${date})`;
};
const tellTimes = () => {
  for (const time of document.querySelectorAll("time")) {
    time.title ||= `${time.textContent} (${new Date(time.dateTime).toLocaleString()} here)`;
    const text = ago(time);
    if (time.textContent !== text) time.textContent = text;
  }
};

// Staying true. Regions as the server wrote them, to see whether they change.
const written = new Map();
const remember = (page) => {
  for (const region of page.querySelectorAll("[data-live], [data-hold]")) written.set(region.id, region.outerHTML);
};
const states = (root) => new Map([...root.querySelectorAll("[data-active][data-service]:not(form)")].map(({ dataset: { service, active, held } }) =>
  [service, (WORDS[active] ?? active) + (held === undefined ? "" : " and held")]));

const refresh = async () => {
  const { status, page } = await load(location.href);
  const holding = document.querySelector("[data-hold]");
  const bare = !byId("banner");
  if (bare ? status === 200 : status !== 200 && !holding) return show(page);
  if (bare) return;
  if (holding) {
    const now = status === 200 ? page.getElementById(holding.id)?.outerHTML : "";
    if (now !== written.get(holding.id) && !carriedOut) byId("moved-on").hidden = false;
  }
  const before = states(document);
  for (const region of page.querySelectorAll("[data-live]")) {
    const shown = byId(region.id);
    if (!shown || written.get(region.id) === region.outerHTML) continue;
    written.set(region.id, region.outerHTML);
    const focused = shown.contains(document.activeElement) ? document.activeElement : null;
    const search = byId("name")?.value;
    const picked = new Set(picks().filter((box) => box.checked).map((box) => box.value));
    const which = byId("which")?.value;
    shown.replaceWith(document.importNode(region, true));
    if (search !== undefined && byId("name")) byId("name").value = search;
    for (const box of picks()) box.checked = picked.has(box.value);
    if (which !== undefined && byId("which")) {
      byId("which").value = which;
      if (byId("which").selectedIndex < 0) byId("which").selectedIndex = 0;
    }
    tellPicked();
    if (focused) {
      const same = focused.id ? byId(focused.id) : [...byId(region.id).querySelectorAll("a")].find((link) => link.href === focused.href);
      (same ?? byId("main")).focus();
    }
  }
  const changes = [...states(document)].filter(([name, state]) => before.has(name) && before.get(name) !== state);
  for (const [name] of changes) document.querySelector(`[data-service="${CSS.escape(name)}"]`)?.classList.add("changed");
  if (changes.length) say(changes.map(([name, state]) => `${name} is ${state} now.`).slice(0, 5).join(" "));
  tellTimes();
};

// Choosing several services for a plan; the form works without this, too.
const picks = () => [...document.querySelectorAll("[name=service][form=choose]")];
const tellPicked = (why) => {
  if (!byId("choose")) return;
  const number = picks().filter((box) => box.checked).length;
  const all = byId("pick-all");
  byId("pick-all-label").hidden = false;
  all.checked = number > 0 && number === picks().length;
  all.indeterminate = number > 0 && !all.checked;
  const text = why ?? (number ? `${number} selected` : "");
  byId("picked").classList.toggle("problem", Boolean(why));
  if (byId("picked").textContent !== text) byId("picked").textContent = text;
};
document.addEventListener("change", ({ target }) => {
  if (target.id === "pick-all") for (const box of picks()) box.checked = target.checked;
  const chosen = target.id === "pick-all" || picks().includes(target);
  // One way to choose at a time: what was done last counts.
  if (chosen && byId("which")) byId("which").value = "selected";
  if (target.id === "which" && target.value !== "selected") for (const box of picks()) box.checked = false;
  if (chosen || target.id === "which") tellPicked();
  // A plan is one or the other; what is shown must be what the button does.
  if (target.id === "partial-box" && byId("act")) {
    const other = target.checked !== target.defaultChecked;
    byId("act").hidden = other;
    say(other ? "Show that plan before you carry it out." : "");
  }
});
document.addEventListener("submit", (event) => {
  if (event.target.id !== "choose" || byId("which").value !== "selected" || picks().some((box) => box.checked)) return;
  event.preventDefault();
  tellPicked("Select services first, or choose which above.");
});

// What the health was when the page was made or last looked at.
let seen = null;
let looking = false;
let lookAgain = false;
const isShown = () => document.visibilityState === "visible" && !byId("sign-in");
const look = async () => {
  if (!isShown()) return;
  lookAgain = looking;
  if (looking) return;
  looking = true;
  try {
    const answer = await fetch("/api/health", { headers: authorized({}), cache: "no-store" });
    if (answer.status === 401) return await refresh();
    const health = await answer.json();
    const time = document.querySelector("#freshness time");
    if (time && Number.isInteger(health.view_age_seconds)) {
      time.dateTime = new Date(Date.now() + ahead - health.view_age_seconds * 1000).toISOString();
      time.title = "";
    }
    const now = JSON.stringify([health.status, health.revision, health.config, health.holds, health.problems.map((one) => [one.code, one.service])]);
    const isNew = seen === null ? health.revision !== (document.body.dataset.revision ?? null) : now !== seen;
    if (isNew) await refresh();
    seen = now;
    byId("silence").hidden = true;
    tellTimes();
  } catch {
    byId("silence").hidden = false;
  } finally {
    looking = false;
    if (lookAgain) look();
  }
};

// Being told at once. Not by EventSource, which cannot send the token. Nothing is lost without: the looks go on.
let stream = null;
const follow = async () => {
  if (stream || !isShown()) return;
  stream = new AbortController();
  try {
    const answer = await fetch("/api/events", { headers: authorized({}), cache: "no-store", signal: stream.signal });
    const events = answer.ok ? answer.body.pipeThrough(new TextDecoderStream()).getReader() : null;
    for (let rest = ""; events; ) {
      const { done, value } = await events.read();
      if (done) {
        // Its age, or the server stops, or the token does not count any more: the page shows which.
        look();
        break;
      }
      const whole = (rest + value).split("\n\n");
      rest = whole.pop();
      if (whole.some((event) => event.startsWith("event: view\n"))) look();
    }
  } catch {
    // It is opened again at the next look.
  } finally {
    stream = null;
  }
};
const attend = () => {
  if (isShown()) {
    look();
    follow();
  } else {
    stream?.abort();
  }
};

// Putting another page of this server in the place of this one, when a token was needed for it.
const show = (page) => {
  document.title = page.title;
  document.body.replaceWith(document.importNode(page.body, true));
  seen = null;
  start();
  attend();
  byId("main").focus();
};

const signIn = (form) => {
  const token = form.querySelector("input");
  const enter = async () => {
    const { status, page } = await load(location.href);
    // Any other page is the one that was asked for, or says why it cannot be shown now.
    if (!page.getElementById("sign-in")) return show(page);
    tab.drop(TOKEN);
    form.hidden = false;
    byId("sign-in-error").textContent = status === 401 ? "The server does not know this token." : `The server answered ${status}.`;
    token.focus();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tab.set(TOKEN, token.value.trim());
    enter().catch(() => { byId("sign-in-error").textContent = "The server does not answer. Try again."; });
  });
  if (tab.get(TOKEN)) {
    enter().catch(() => { form.hidden = false; byId("silence").hidden = false; });
  } else {
    form.hidden = false;
    token.focus();
  }
};

// What a page offers, what is asked of the API for it, and how the answer is told.
const fill = (id, text) => { byId(id).hidden = !text; byId(id).querySelector("span").textContent = text; };
const field = (name, value) => (value ? { [name]: value } : {});
const capital = (word) => word[0].toUpperCase() + word.slice(1);
const names = (lines) => lines.map((line) => line.service).join(", ");
const folded = (title, lines) => lines.length > 12
  ? [element("details", [element("summary", `${title}: ${lines.length} services`), element("p", names(lines))])]
  : lines.length ? [element("p", `${title}: ${names(lines)}`)] : [];

const move = (form) => {
  const { active, revision, to, service } = form.dataset;
  // What a batch says besides the options of every move.
  const batch = form.dataset.body ? JSON.parse(form.dataset.body) : null;
  const overrides = () => [...form.querySelectorAll("[name=force]:checked")].map((box) => box.value);
  // What became of each service of a batch.
  const outcomes = (answer) => {
    if (!batch) return { set: ([is]) => `${service} ${is}`, refused: 0, rest: [] };
    const of = (outcome) => (answer.services ?? []).filter((line) => line.outcome === outcome);
    const [moved, there, left] = ["moved", "already-there", "refused"].map(of);
    const set = ([is, are]) => (moved.length === 1 ? `1 service ${is}` : `${moved.length} services ${are}`);
    const stays = left.map((line) => element("li", [
      element("strong", line.service), " ", element("code", line.code ?? ""),
      ...(line.detail ? [element("p", line.detail)] : []), ...(line.hint ? [element("p", line.hint, { class: "hint" })] : []),
    ], { class: "block" }));
    const rest = [...folded("Moved, in this order", moved), ...folded("There already", there)];
    if (left.length) rest.push(element("h3", "Left where they are"), element("ul", stays, { class: "findings", role: "list" }));
    return { set, refused: left.length, rest };
  };
  return {
    many: Boolean(batch),
    doubt: "the move happened",
    see: batch ? ["the services", "/"] : [service, `/services/${service}`],
    question: () => fill("confirm-force", overrides().join(", ")),
    request: (reason) => {
      const force = overrides();
      // Who overrides a check has judged this very commit; otherwise other people's commits do not matter.
      return { body: { ...batch, ...field("expect", force.length ? revision : active), ...field("reason", reason), ...(force.length && { force }) } };
    },
    told: (answer, commit) => {
      if (!answer.changed) {
        const title = batch ? `Nothing to do: all of them were at ${to} already` : `Nothing to do: ${service} was at ${to} already`;
        return { title, parts: answer.commit ? [element("p", ["Commit ", commit(answer.commit), " brought it there."])] : [] };
      }
      const { set, refused, rest } = outcomes(answer);
      const badge = document.querySelector(".title .badge");
      if (badge) { badge.className = `badge state-${to}`; badge.textContent = capital(to); }
      const title = answer.replayed ? `Done by an earlier request: ${set(["was", "were"])} set to ${to}` : `Done: ${set(["is", "are"])} set to ${to}`;
      const parts = [...rest, element("p", "It is not a running app yet: Flux applies it, and then Kubernetes starts the pod. This page sees only Git.")];
      return { part: refused > 0, title: refused ? `${title}, ${refused} refused` : title, parts };
    },
  };
};
const restrained = ({ changed, replayed }, what, done, before) => ({
  title: !changed ? `Nothing to do: ${what} was ${before}` : replayed ? `Done by an earlier request: ${what} was ${done}` : `Done: ${what} is ${done}`,
  parts: [],
});
const hold = ({ dataset: { what, body, service } }) => {
  const until = (answer) => {
    const made = answer.holds?.find((one) => one.service === service);
    return made ? ` until ${made.until ? `${made.until.slice(0, 16).replace("T", " ")} UTC` : "it is released"}` : "";
  };
  return {
    doubt: "the hold was made",
    see: ["the holds", "/holds"],
    question: () => fill("confirm-for", byId("for").selectedOptions[0].text),
    request: (reason) => ({ body: { ...JSON.parse(body), reason, ...field("for", byId("for").value) } }),
    told: (answer) => restrained(answer, what, `held${until(answer)}`, "held so already"),
  };
};
const release = ({ dataset: { what } }) => ({
  doubt: "the hold was released",
  see: ["the holds", "/holds"],
  request: (reason) => ({ query: reason && `&reason=${encodeURIComponent(reason)}` }),
  told: (answer) => restrained(answer, what, "released", "not held"),
});
const deeds = { move, hold, release };

// Asking for it.
let carriedOut = false;
const offer = (form) => {
  const { method, address, commits } = form.dataset;
  const deed = deeds[form.id](form);
  const needsToken = "needsToken" in form.dataset;
  const outcome = byId("outcome");
  const dialog = byId("confirm");
  const asked = `failover-api-asked ${address}${form.dataset.body ? ` ${form.dataset.body}` : ""}`;
  const button = form.querySelector("button");
  let busy = false;

  const showToken = (why) => {
    byId("token-field").hidden = !(needsToken && !tab.get(TOKEN));
    byId("token").required = !byId("token-field").hidden;
    byId("token-note").textContent = why ?? byId("token-note").textContent;
    byId("token-note").classList.toggle("problem", Boolean(why));
  };
  const tell = (kind, title, ...parts) => {
    outcome.className = kind;
    outcome.replaceChildren(element("h2", title), ...parts);
    outcome.hidden = false;
    outcome.focus();
  };
  const again = () => {
    const ask = element("button", "Ask again", { type: "button", class: "first" });
    ask.addEventListener("click", () => send(JSON.parse(tab.get(asked))));
    return ask;
  };
  const doubt = (...parts) => {
    form.hidden = true;
    tell("doubt", `It is not known whether ${deed.doubt}`,
      ...parts,
      element("p", "It may have landed, or still land. Asking again with the same key never does it twice: it finds the first commit, or makes it."),
      element("p", again(), { class: "actions" }));
  };
  const commit = (id) => {
    const code = element("code", id.slice(0, 10));
    return commits ? element("a", code, { href: commits + encodeURIComponent(id), rel: "noreferrer" }) : code;
  };
  const done = (answer) => {
    carriedOut = true;
    for (const old of [form, byId("plan"), byId("act-title"), byId("partial")]) if (old) old.hidden = true;
    byId("moved-on").hidden = true;
    const { part, title, parts } = deed.told(answer, commit);
    const [what, place] = deed.see;
    tell(part ? "done part" : "done", title,
      ...(answer.changed ? [element("p", ["Commit ", commit(answer.commit), " is on the branch."])] : []),
      ...parts,
      element("p", [element("a", `See ${what}`, { href: place, class: "button first" }), element("a", "See the history", { href: "/history", class: "button" })], { class: "actions" }));
  };
  const refused = (problem) => {
    const list = problem.problems?.length > 1 ? problem.problems : [problem];
    const of = (one) => (one.service && deed.many ? `${one.service}: ` : "");
    const parts = list.flatMap((one) => [
      element("p", of(one) + (one.file ? `${one.file}${one.line ? `:${one.line}` : ""}: ` : "") + one.detail),
      element("p", one.hint, { class: "hint" }),
    ]);
    for (const finding of problem.findings ?? []) {
      if (finding.verdict === "block" && !problem.detail.includes(finding.detail)) parts.push(element("p", `${finding.check}: ${finding.detail}`));
    }
    tell("no", `Nothing was committed: ${problem.title}`, ...parts,
      element("p", [element("a", "Show it as it is now", { href: location.pathname + location.search }), ` · code ${problem.code} · request ${problem.request_id ?? "unknown"}`], { class: "details" }));
    if (problem.code === "token-missing" || problem.code === "token-unknown") {
      tab.drop(TOKEN);
      byId("sign-out").hidden = true;
      showToken("The server does not know this token.");
      byId("token").value = "";
      byId("token").focus();
    }
  };

  // What was asked is remembered until there is an answer, so that it can be asked again with its key.
  const send = async ({ key, body, query }) => {
    if (busy) return;
    busy = true;
    button.setAttribute("aria-disabled", "true");
    tab.set(asked, JSON.stringify({ key, body, query }));
    outcome.className = "";
    outcome.replaceChildren(element("p", "Asking for the commit. This takes a moment, and up to a minute when the Git host is slow."));
    outcome.hidden = false;
    say("Asking for the commit.");
    try {
      const answer = await fetch(address + (query ?? ""), {
        method,
        headers: authorized({ "Idempotency-Key": key, ...(body && { "Content-Type": "application/json" }) }),
        body: body && JSON.stringify(body),
      });
      const isProblem = answer.headers.get("Content-Type")?.startsWith("application/problem+json");
      const told = await answer.json();
      if (answer.ok) {
        tab.drop(asked);
        done(told);
      } else if (isProblem && !["outcome-unknown", "internal"].includes(told.code)) {
        tab.drop(asked);
        refused(told);
      } else {
        doubt(element("p", told.detail ?? `The answer was ${answer.status}.`), element("p", told.hint ?? "", { class: "hint" }));
      }
    } catch (error) {
      doubt(element("p", `No answer that could be read: ${error.message}`));
    } finally {
      busy = false;
      button.removeAttribute("aria-disabled");
    }
  };

  const why = () => byId("reason").value.trim();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (busy || dialog.open) return;
    if (!byId("token-field").hidden) {
      tab.set(TOKEN, byId("token").value.trim());
      byId("sign-out").hidden = false;
      showToken();
    }
    fill("confirm-reason", why());
    deed.question?.();
    dialog.showModal();
  });
  byId("cancel").addEventListener("click", () => dialog.close());
  byId("confirm-ask").addEventListener("click", () => {
    dialog.close();
    send({ key: form.dataset.key, ...deed.request(why()) });
  });

  form.hidden = false;
  showToken();
  if (tab.get(asked)) doubt(element("p", "An earlier request of this tab got no answer."));
};

const start = () => {
  ahead = Date.parse(document.body.dataset.now) - Date.now() || 0;
  carriedOut = false;
  remember(document);
  tellTimes();
  byId("sign-out").hidden = !tab.get(TOKEN) || Boolean(byId("sign-in"));
  byId("sign-out").addEventListener("click", () => { tab.drop(TOKEN); location.reload(); });
  if (byId("sign-in")) signIn(byId("sign-in"));
  const form = document.querySelector("form[data-address]");
  if (form) offer(form);
  tellPicked();
};

start();
attend();
setInterval(attend, LOOK_EVERY);
setInterval(tellTimes, 5000);
document.addEventListener("visibilitychange", attend);
