import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { StorageAdapter } from "../../src/index.js";
import { FakeServer } from "../support/fake-server.js";
import { CREDENTIALS, caught, client, disposeAll, Lines, record, SharedStorage, settle } from "../support/unit.js";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
});
afterEach(() => {
  disposeAll();
  vi.unstubAllGlobals();
});

const refreshes = () => server.requests("/refresh").length;
const stored = (storage: SharedStorage) =>
  JSON.parse([...storage.items.values()][0] ?? "null") as { obtained_at: number } | null;

/** Makes the stored session look as if its token were about to end. */
function age(storage: SharedStorage, seconds = 850): void {
  for (const [key, value] of storage.items) {
    const held = JSON.parse(value) as { obtained_at: number };
    storage.items.set(key, JSON.stringify({ ...held, obtained_at: held.obtained_at - seconds * 1000 }));
  }
}

describe("tabs that share a storage", () => {
  it("learn of each other's sign-in, refresh and sign-out", async () => {
    const storage = new SharedStorage();
    const [one, two] = [client(server, { storage }), client(server, { storage })];
    const events = record(two);
    await settle();
    await one.auth.signUp(CREDENTIALS);
    await settle();
    const { session } = await one.auth.refreshSession();
    await settle();
    expect((await two.auth.getSession())?.access_token).toBe(session.access_token);
    await one.auth.updateUser({ data: { name: "Ada" } });
    await settle();
    await one.auth.signOut();
    await settle();
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN", "TOKEN_REFRESHED", "USER_UPDATED", "SIGNED_OUT"]);
    expect(events.reason).toBe("signed_out");
    expect(await two.auth.getSession()).toBeNull();
  });

  it("learn why a session ended", async () => {
    const storage = new SharedStorage();
    const [one, two] = [client(server, { storage }), client(server, { storage })];
    const { session } = await one.auth.signUp(CREDENTIALS);
    await settle();
    const events = record(two);
    server.end(session?.id ?? "", "banned");
    await caught(one.auth.refreshSession());
    await settle();
    expect(events.reason).toBe("banned");
  });

  it("use the tokens that another tab has stored instead of refreshing again", async () => {
    const storage = new SharedStorage();
    const first = client(server, { storage });
    await first.auth.signUp(CREDENTIALS);
    age(storage);
    const tabs = Array.from({ length: 5 }, () => client(server, { storage }));
    for (const tab of tabs) await tab.auth.getSession();
    expect(refreshes()).toBe(1);
  });

  it("a hundred at once, every tenth answer lost: nobody is signed out", async () => {
    const storage = new SharedStorage();
    let answers = 0;
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const answer = await server.fetch(input, init);
      if (String(input).endsWith("/refresh") && ++answers % 10 === 0) throw new TypeError("connection reset");
      return answer;
    };
    server.delay = () => Math.random() * 30;
    const tabs = Array.from({ length: 100 }, () => client(server, { storage, fetch }));
    const [first] = tabs;
    await first?.auth.signUp(CREDENTIALS);
    for (const tab of tabs) await tab.auth.getSession();
    await settle();
    const events = tabs.map((tab) => record(tab));
    for (let round = 0; round < 3; round++) {
      const results = await Promise.allSettled(tabs.map((tab) => tab.auth.refreshSession()));
      expect(results.filter((result) => result.status === "rejected")).toEqual([]);
    }
    await settle(100);
    expect(events.flatMap(({ names }) => names)).not.toContain("SIGNED_OUT");
    const tokens = await Promise.all(tabs.map(async (tab) => (await tab.auth.getSession())?.refresh_token));
    expect(new Set(tokens).size).toBe(1);
    expect([...server.sessions.values()].map((session) => session.ended)).toEqual([undefined]);
  });

  it("a slow answer does not write old tokens over newer ones", async () => {
    vi.stubGlobal("BroadcastChannel", undefined); // nobody tells the slow one
    const storage = new SharedStorage();
    const [slow, fast] = [client(server, { storage }), client(server, { storage })];
    await slow.auth.signUp(CREDENTIALS);
    await fast.auth.getSession();
    const waits = [1500];
    server.delay = () => waits.shift() ?? 0;
    const late = slow.auth.refreshSession();
    await settle(5);
    await fast.auth.refreshSession();
    await settle(1100); // the server's clock counts in seconds
    const { session } = await fast.auth.refreshSession();
    await late;
    expect((await slow.auth.getSession())?.refresh_token).toBe(session.refresh_token);
    expect(storage.getItem([...storage.items.keys()][0] ?? "")).toContain(session.refresh_token);
  });

  it("counts a refresh by another tab as its own for 10 s, so that no old token is presented late", async () => {
    const storage = new SharedStorage();
    const [one, two] = [client(server, { storage }), client(server, { storage })];
    await one.auth.signUp(CREDENTIALS);
    await two.auth.getSession();
    await one.auth.refreshSession();
    await settle();
    const { session } = await two.auth.refreshSession();
    expect(refreshes()).toBe(1);
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 11_000);
    expect((await two.auth.refreshSession()).session.refresh_token).not.toBe(session.refresh_token);
    expect(refreshes()).toBe(2);
    vi.restoreAllMocks();
  });

  it("puts its newer tokens back when an older entry was written over them", async () => {
    const storage = new SharedStorage();
    const made = client(server, { storage });
    await made.auth.signUp(CREDENTIALS);
    const older = new Map(storage.items);
    await settle(1100); // the server's clock counts in seconds
    await made.auth.refreshSession();
    for (const [key, value] of older) storage.items.set(key, value);
    const { session } = await made.auth.refreshSession();
    expect(session.refresh_token).toMatch(/:3$/);
    expect([...server.sessions.values()][0]?.ended).toBeUndefined();
  });

  it("notices a sign-out without being told, when it next looks at the storage", async () => {
    const storage = new SharedStorage();
    const made = client(server, { storage });
    await made.auth.signUp(CREDENTIALS);
    const events = record(made);
    storage.items.clear();
    expect(await caught(made.auth.refreshSession())).toMatchObject({ code: "session_missing" });
    expect(refreshes()).toBe(0);
    expect(events.reason).toBe("signed_out");
  });

  it("refresh at once, are given the same generation, and say so once each", async () => {
    const storage = new SharedStorage();
    const [one, two] = [client(server, { storage }), client(server, { storage })];
    await one.auth.signUp(CREDENTIALS);
    await two.auth.getSession();
    await settle();
    const events = [record(one), record(two)];
    await settle();
    const [mine, theirs] = await Promise.all([one.auth.refreshSession(), two.auth.refreshSession()]);
    expect(refreshes()).toBe(2);
    expect(mine.session.refresh_token).toBe(theirs.session.refresh_token);
    await settle();
    expect(events.map(({ names }) => names)).toEqual([
      ["INITIAL_SESSION", "TOKEN_REFRESHED"],
      ["INITIAL_SESSION", "TOKEN_REFRESHED"],
    ]);
    expect(await one.auth.getSession()).toEqual(await two.auth.getSession());
  });

  it("clients with storages of their own learn nothing of each other", async () => {
    const [one, two] = [client(server), client(server)];
    const [three, four] = [
      client(server, { storage: new SharedStorage() }),
      client(server, { storage: new SharedStorage() }),
    ];
    const events = [record(two), record(four)];
    await one.auth.signUp(CREDENTIALS);
    await three.auth.signIn(CREDENTIALS);
    await settle();
    expect(events.map(({ names }) => names)).toEqual([["INITIAL_SESSION"], ["INITIAL_SESSION"]]);
    expect(await two.auth.getSession()).toBeNull();
  });
});

describe("tabs whose messages arrive before they can read what has changed", () => {
  /** A tab's own view of the shared storage: reads what was there when it was last brought up to date. */
  class Lagging extends SharedStorage {
    readonly #shared: SharedStorage;
    constructor(shared: SharedStorage) {
      super();
      this.#shared = shared;
      this.catchUp();
    }
    catchUp(): void {
      this.items.clear();
      for (const [key, value] of this.#shared.items) this.items.set(key, value);
    }
  }

  async function tabs() {
    const page = new EventTarget();
    vi.stubGlobal("window", page);
    const near = new SharedStorage();
    const far = new Lagging(near);
    const acting = client(server, { storage: near, storageKey: "mine" });
    const watching = client(server, { storage: far, storageKey: "mine" });
    const events = record(watching);
    await settle();
    const catchUp = (key: string | null = "mine") => {
      far.catchUp();
      page.dispatchEvent(Object.assign(new Event("storage"), { key }));
    };
    return { acting, watching, events, catchUp };
  }

  it("look again at the storage event, and know the reason from the message", async () => {
    const { acting, watching, events, catchUp } = await tabs();
    const { session } = await acting.auth.signUp(CREDENTIALS);
    await settle();
    expect(events.names).toEqual(["INITIAL_SESSION"]);
    catchUp("not ours");
    await settle(100);
    expect(events.names).toEqual(["INITIAL_SESSION"]);
    catchUp();
    await settle(100);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN"]);

    server.end(session?.id ?? "", "banned");
    await caught(acting.auth.refreshSession());
    await settle();
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN"]);
    catchUp();
    await settle(100);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN", "SIGNED_OUT"]);
    expect(events.reason).toBe("banned");
    expect(await watching.auth.getSession()).toBeNull();
  });

  it("wait at the storage event for a message that comes later", async () => {
    const { acting, events, catchUp } = await tabs();
    const { session } = await acting.auth.signUp(CREDENTIALS);
    catchUp();
    await settle(100);
    server.end(session?.id ?? "", "idle");
    const refreshing = caught(acting.auth.refreshSession());
    await refreshing;
    catchUp(); // in the same turn as the message was sent
    await settle(100);
    expect(events.reason).toBe("idle");
  });

  it("need no messages at all, and listen no more once disposed of", async () => {
    vi.stubGlobal("BroadcastChannel", undefined);
    const { acting, watching, events, catchUp } = await tabs();
    await acting.auth.signUp(CREDENTIALS);
    catchUp();
    await settle(100);
    await acting.auth.signOut();
    catchUp(null); // everything was cleared
    await settle(100);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN", "SIGNED_OUT"]);
    expect(events.reason).toBe("signed_out");
    await acting.auth.signIn(CREDENTIALS);
    catchUp();
    watching.dispose();
    const after = record(watching);
    catchUp();
    await settle(100);
    expect(after.names).toEqual(["INITIAL_SESSION"]);
  });
});

describe("a storage that does not work", () => {
  it("because the browser forbids it: memory, with one warning", async () => {
    vi.stubGlobal("document", new EventTarget());
    Object.defineProperty(globalThis, "localStorage", {
      configurable: true,
      get: () => {
        throw new DOMException("secret-value", "SecurityError");
      },
    });
    const logger = new Lines();
    const made = client(server, { logger });
    Reflect.deleteProperty(globalThis, "localStorage");
    await made.auth.signUp(CREDENTIALS);
    expect(await made.auth.getCurrentUser()).not.toBeNull();
    expect(logger.lines).toEqual([expect.stringMatching(/^warn: The session storage failed \(.*memory/)]);
    expect(logger.lines.join()).not.toContain("secret");
  });

  const broken = (parts: Partial<StorageAdapter>): StorageAdapter => ({
    getItem: () => null,
    setItem: () => undefined,
    removeItem: () => undefined,
    ...parts,
  });
  const fail = () => {
    throw new DOMException("secret-value", "QuotaExceededError");
  };

  it.each([
    ["throws on reading", broken({ getItem: fail })],
    ["throws on writing", broken({ setItem: fail })],
    ["throws on everything", broken({ getItem: fail, setItem: fail, removeItem: fail })],
    ["rejects", broken({ setItem: () => Promise.reject(new Error("secret-value")) })],
    ["forgets everything", broken({})],
    ["forgets everything, by promises", broken({ getItem: async () => null, setItem: async () => undefined })],
  ])("%s: the session lives in memory, with one warning", async (_, storage) => {
    const logger = new Lines();
    const made = client(server, { storage, logger });
    const events = record(made);
    await made.auth.signUp(CREDENTIALS);
    await made.auth.refreshSession();
    await made.auth.refreshSession();
    expect(await made.auth.getCurrentUser()).not.toBeNull();
    await made.auth.signOut();
    expect(await made.auth.getSession()).toBeNull();
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN", "TOKEN_REFRESHED", "TOKEN_REFRESHED", "SIGNED_OUT"]);
    expect(logger.lines).toHaveLength(1);
    expect(logger.lines.join()).not.toContain("secret");
  });

  it("is full only until the old value is gone", async () => {
    const storage = new SharedStorage();
    const logger = new Lines();
    const tight: StorageAdapter = {
      ...storage,
      setItem: (key, value) => (storage.items.has(key) ? fail() : storage.setItem(key, value)),
    };
    const made = client(server, { storage: tight, logger });
    await made.auth.signUp(CREDENTIALS);
    await made.auth.refreshSession();
    expect(logger.lines).toEqual([]);
    expect(storage.items.size).toBe(1);
  });

  it("removes a damaged entry and starts signed out", async () => {
    const storage = new SharedStorage();
    storage.items.set("mine", '{"v":1,"session":{"id":"x"');
    const made = client(server, { storage, storageKey: "mine" });
    expect(await made.auth.getSession()).toBeNull();
    expect(storage.items.size).toBe(0);
  });

  it("repairs an entry that gets damaged while signed in", async () => {
    const storage = new SharedStorage();
    const made = client(server, { storage, storageKey: "mine" });
    await made.auth.signUp(CREDENTIALS);
    storage.items.set("mine", "garbage");
    await made.auth.refreshSession();
    expect(stored(storage)).not.toBeNull();
  });
});

describe("storages", () => {
  it("may answer by promises", async () => {
    const storage = new SharedStorage();
    const later = async <T>(step: () => T): Promise<T> => {
      await settle(2);
      return step();
    };
    const slow: StorageAdapter = {
      getItem: (key) => later(() => storage.getItem(key)),
      setItem: (key, value) => later(() => storage.setItem(key, value)),
      removeItem: (key) => later(() => storage.removeItem(key)),
    };
    const made = client(server, { storage: slow });
    const signUp = made.auth.signUp(CREDENTIALS);
    await signUp;
    await made.auth.refreshSession();
    expect(await client(server, { storage: slow }).auth.getSession()).toEqual(await made.auth.getSession());
    await made.auth.signOut();
    expect(storage.items.size).toBe(0);
  });

  it("are left alone with persistSession false", async () => {
    const storage = new SharedStorage();
    const made = client(server, { storage, persistSession: false });
    await made.auth.signUp(CREDENTIALS);
    expect(storage.items.size).toBe(0);
    expect(await made.auth.getSession()).not.toBeNull();
  });
});
