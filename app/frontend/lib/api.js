/** The app's routes, with the bearer token that the page was drawn with. */

export class ApiError extends Error {
  /** @param {number} status  0 = the connection failed or timed out */
  constructor(status, message, body = {}) {
    super(message);
    this.status = status;
    this.body = body;
  }
  /** Worth trying again with the same request. */
  get temporary() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

export class Api {
  /**
   * @param {{api: string, ws: string, token: string, decides?: boolean}} data  decides: false = this person may
   * only look
   */
  constructor(data) {
    this.update(data);
  }

  update({ api, ws, token, decides }) {
    this.decides = decides !== false;
    this.base = new URL(api.endsWith("/") ? api : `${api}/`, document.baseURI);
    this.ws = ws;
    this.token = token;
  }

  /** The address of a route for this workspace: `url("colours/verdict")` → …/api/colours/{ws}/verdict. */
  url(route, query) {
    const [name, ...rest] = route.split("/");
    const url = new URL([name, this.ws, ...rest].map(encodeURIComponent).join("/"), this.base);
    const extra = typeof query === "string" ? new URLSearchParams(query) : query;
    if (extra)
      for (const [k, v] of extra instanceof URLSearchParams ? extra : Object.entries(extra)) {
        for (const one of Array.isArray(v) ? v : [v])
          if (one !== null && one !== undefined) url.searchParams.append(k, one);
      }
    return url;
  }

  /** One request. Fails with ApiError after `timeout` ms, on a broken connection, or on an error status. */
  async fetch(url, { method = "GET", body, timeout = 20000, keepalive = false, signal } = {}) {
    const headers = { Authorization: `Bearer ${this.token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const stop = AbortSignal.timeout(timeout);
    let response;
    try {
      response = await fetch(url, {
        method,
        headers,
        keepalive,
        credentials: "same-origin",
        signal: signal ? AbortSignal.any([signal, stop]) : stop,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(
        0,
        stop.aborted ? "The server did not answer in time." : "The connection to the server failed.",
      );
    }
    const fresh = response.headers.get("X-Winnow-Token");
    if (fresh) this.token = fresh;
    if (response.ok) return response;
    const said = await response.json().catch(() => ({})); // not JSON: the status has to do
    throw new ApiError(response.status, said.error || `The server answered ${response.status}.`, said);
  }

  /** A framed binary answer: {head, array}. See app/api/atlas.py. */
  async framed(route, query, options) {
    const bytes = await this.buffer(this.url(route, query), options);
    const length = new DataView(bytes).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
    const kinds = {
      float32: Float32Array,
      uint8: Uint8Array,
      uint16: Uint16Array,
      int32: Int32Array,
      float64: Float64Array,
      int16: Int16Array,
      int8: Int8Array,
    };
    return { head, array: new kinds[head.dtype](bytes, 4 + length) };
  }

  async json(url, options) {
    return (await this.fetch(url, options)).json();
  }
  async buffer(url, options) {
    return (await this.fetch(url, options)).arrayBuffer();
  }

  get(route, query, options) {
    return this.json(this.url(route, query), options);
  }
  post(route, body, options = {}) {
    return this.json(this.url(route, options.query), { method: "POST", body, ...options });
  }
}
