// Sends the file of the form in pieces (tus 1.0), so that it goes on after a cut or a reload.
// Without this script the form sends the file in one go.
(() => {
  "use strict";
  const form = document.getElementById("hand-in");
  if (!form || !window.fetch || !window.XMLHttpRequest) return;

  const PIECE = 8 * 1024 * 1024;
  const TUS = { "Tus-Resumable": "1.0.0" };
  const LONGEST_PAUSE = 30000;
  const find = (id) => document.getElementById(id);
  const [box, bar, words, pause, button, trouble] =
    ["upload", "progress", "upload-words", "pause", "send", "upload-trouble"].map(find);
  let running = null; // the request on its way
  let paused = false;
  let wake = null;

  class Stop extends Error {} // what trying again does not mend
  class Passing extends Error {} // what it may

  const csrf = () => (document.cookie.match(/(?:^|; )csrftoken=([^;]+)/) || [])[1] || "";
  const size = (bytes) => bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : bytes < 1e9
    ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;

  const memory = {
    key: (file) => `upload ${file.name} ${file.size} ${file.lastModified}`,
    get(file) { try { return localStorage.getItem(this.key(file)); } catch { return null; } },
    set(file, place) { try { localStorage.setItem(this.key(file), place); } catch { /* only less comfort */ } },
    drop(file) { try { localStorage.removeItem(this.key(file)); } catch { /* as above */ } },
  };

  function show(done, total, text) {
    box.hidden = false;
    bar.max = total;
    bar.value = done;
    words.textContent = text;
  }

  function request(method, place, headers, body, onprogress) {
    return new Promise((resolve, reject) => {
      const sent = new XMLHttpRequest();
      running = sent;
      sent.open(method, place);
      const all = { ...TUS, "X-CSRFToken": csrf(), Accept: "application/json", ...headers };
      for (const [name, value] of Object.entries(all)) sent.setRequestHeader(name, value);
      if (onprogress) sent.upload.onprogress = (event) => onprogress(event.loaded);
      sent.onload = () => resolve(sent);
      sent.onerror = () => reject(new Passing("the connection broke"));
      sent.onabort = () => reject(new Passing("paused"));
      sent.send(body || null);
    }).finally(() => { running = null; });
  }

  function understand(answer, wanted) {
    if (wanted.includes(answer.status)) return answer;
    let detail = `the portal answered with status ${answer.status}`;
    try { detail = JSON.parse(answer.responseText).detail || detail; } catch { /* keep the number */ }
    if (answer.status >= 500 && answer.status !== 507) throw new Passing(detail);
    if ([408, 423, 425, 429].includes(answer.status)) throw new Passing(detail);
    throw new Stop(detail);
  }

  async function checksum(piece) {
    if (!window.crypto || !crypto.subtle) return {};
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await piece.arrayBuffer()));
    return { "Upload-Checksum": `sha256 ${btoa(String.fromCharCode(...hash))}` };
  }

  async function fields() {
    const given = { filename: form.elements.submission.files[0].name };
    for (const name of ["method", "description", "code_url"]) given[name] = form.elements[name].value;
    for (const name of ["publish", "anonymous"]) given[name] = form.elements[name].checked;
    const lineage = form.elements.lineage.files[0];
    if (lineage) {
      try { given.lineage = JSON.parse(await lineage.text()); } catch {
        throw new Stop("the lineage is no JSON; choose the file that csc pack-results wrote, or none");
      }
    }
    return given;
  }

  async function open(file) {
    const headers = { "Upload-Length": String(file.size), "Content-Type": "application/json" };
    const body = JSON.stringify(await fields());
    const answer = understand(await request("POST", form.dataset.uploads, headers, body), [200, 201]);
    const place = answer.getResponseHeader("Location");
    memory.set(file, place);
    return place;
  }

  // Where the upload stands, and what became of it; null when it is gone.
  async function where(place) {
    const answer = await request("HEAD", place, {});
    if ([404, 410].includes(answer.status)) return null;
    understand(answer, [200]);
    return {
      offset: Number(answer.getResponseHeader("Upload-Offset")),
      submission: answer.getResponseHeader("Submission-Id"),
    };
  }

  async function sendPiece(place, file, offset) {
    const piece = file.slice(offset, offset + PIECE);
    const headers = {
      "Content-Type": "application/offset+octet-stream",
      "Upload-Offset": String(offset),
      ...(await checksum(piece)),
    };
    if (paused) throw new Passing("paused");
    const tell = (sent) => show(offset + sent, file.size, `${size(offset + sent)} of ${size(file.size)}`);
    const answer = await request("PATCH", place, headers, piece, tell);
    if (answer.status === 460) throw new Passing("a piece was damaged on the way");
    if (answer.status === 409 && answer.getResponseHeader("Upload-Offset")) throw new Passing("it stands elsewhere");
    understand(answer, [204]);
    return {
      offset: Number(answer.getResponseHeader("Upload-Offset")),
      submission: answer.getResponseHeader("Submission-Id"),
    };
  }

  // From where it stands to the end, once.
  async function send(file) {
    let place = memory.get(file);
    let stands = place && await where(place);
    if (!stands) {
      place = await open(file);
      stands = { offset: 0, submission: null };
    }
    while (!stands.submission) stands = await sendPiece(place, file, stands.offset);
    return stands.submission;
  }

  function rest(milliseconds) {
    return new Promise((resolve) => {
      wake = resolve;
      if (milliseconds !== null) setTimeout(resolve, milliseconds);
    });
  }

  async function persevere(file) {
    for (let failed = 0; ;) {
      const before = bar.value;
      try {
        return await send(file);
      } catch (error) {
        if (!(error instanceof Passing)) throw error;
        failed = bar.value > before ? 1 : failed + 1;
        const wait = paused ? null : Math.min(LONGEST_PAUSE, 500 * 2 ** failed);
        words.textContent = paused
          ? "Paused. You may close this page and choose the same file later."
          : `${error.message}; trying again`;
        await rest(wait);
      }
    }
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    if (paused && running) running.abort();
    if (!paused && wake) wake();
  });

  window.addEventListener("online", () => { if (!paused && wake) wake(); });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = form.elements.submission.files[0];
    trouble.hidden = true;
    button.disabled = true;
    find("upload-name").textContent = `Sending ${file.name}`;
    show(0, file.size, "Beginning");
    try {
      if (file.size > Number(form.dataset.most)) {
        throw new Stop(`the file has ${size(file.size)}; at most ${size(Number(form.dataset.most))} are taken`);
      }
      const submission = await persevere(file);
      memory.drop(file);
      location.assign(`${form.dataset.submissions}${submission}/`);
    } catch (error) {
      trouble.textContent = `It was not taken: ${error.message}.`;
      trouble.hidden = false;
      box.hidden = true;
      button.disabled = false;
    }
  });
})();
