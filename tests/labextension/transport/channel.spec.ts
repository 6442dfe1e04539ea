import type { JSONObject } from '@lumino/coreutils';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { PanelRequest, PanelSnapshot, PanelUpdate } from '../../../labextension/src/protocol';
import { PROTOCOL_VERSION } from '../../../labextension/src/protocol';
import { RequestError } from '../../../labextension/src/store/model';
import { Channel, PUSH, RPC } from '../../../labextension/src/transport/channel';
import { ANSWER_TIMEOUT } from '../../../labextension/src/transport/requests';
import { english } from '../../../labextension/src/translate';
import { Tab } from '../../../labextension/src/transport/tab';
import { FakeKernel, type ISent } from '../fakeKernel';

let kernel: FakeKernel;
let channel: Channel;
let received: (PanelSnapshot | PanelUpdate)[];

beforeEach(() => {
  vi.useFakeTimers();
  window.sessionStorage.clear();
  window.localStorage.clear();
  kernel = new FakeKernel();
  channel = follow(new Channel(kernel.asConnection(), english, new Tab()));
});

afterEach(() => {
  channel.dispose();
  vi.useRealTimers();
});

function follow(made: Channel): Channel {
  received = [];
  made.received.connect((_, message) => received.push(message));
  return made;
}

/** Let everything happen that happens within so many milliseconds. */
const settle = (milliseconds = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);

async function connected(): Promise<void> {
  void channel.connect();
  await settle();
  expect(channel.connection.status).toBe('connected');
}

const opened = (target: string): ISent[] =>
  kernel.sent.filter(({ type, content }) => type === 'comm_open' && content['target_name'] === target);
const dataOf = (sent: ISent | undefined): JSONObject => (sent?.content['data'] ?? {}) as JSONObject;
const requests = (): PanelRequest[] =>
  kernel.sent.filter(({ type }) => type === 'comm_msg').map(sent => dataOf(sent) as unknown as PanelRequest);

describe('a connection', () => {
  it('is not made before somebody looks', async () => {
    await settle(10_000);
    await settle(10_000);
    expect(kernel.sent).toEqual([]);
  });

  it('is made without that when the kernel says hello, for what is asked by command', async () => {
    kernel.sayHello();
    await settle();
    expect(channel.connection.status).toBe('connected');
  });

  it('is two comms on one subshell of its own', async () => {
    await connected();
    expect(kernel.subshells.size).toBe(1);
    const [subshell] = kernel.subshells;
    const shell = kernel.sent.filter(sent => sent.channel === 'shell');
    expect(shell.map(({ type, subshell: on, content }) => [type, on, content['target_name']])).toEqual([
      ['comm_open', subshell, PUSH],
      ['comm_open', subshell, RPC]
    ]);
    expect(dataOf(opened(PUSH)[0])).toEqual(dataOf(opened(RPC)[0]));
    expect(dataOf(opened(PUSH)[0])).toEqual({
      protocol: PROTOCOL_VERSION,
      tab: new Tab().id,
      read_only: false
    });
    expect(received).toMatchObject([{ type: 'snapshot' }]);
    expect(channel.connection.concurrent).toBe(true);
  });

  it('does not wait for what a busy kernel says of itself', async () => {
    kernel.features = 'busy';
    void channel.connect();
    await settle(1_000);
    expect(channel.connection).toMatchObject({ status: 'connected', concurrent: true });
    expect(opened(PUSH)[0]?.subshell).toMatch(/^subshell/);
  });

  it('does without subshells where there are none, and says so', async () => {
    kernel.features = [];
    await connected();
    expect(kernel.sent.some(({ type }) => type === 'create_subshell_request')).toBe(false);
    expect(opened(PUSH)[0]?.subshell).toBeNull();
    expect(channel.connection.concurrent).toBe(false);
  });

  it('asks for nothing in a kernel that is not of Python', async () => {
    kernel.language = 'R';
    void channel.connect();
    await settle();
    expect(channel.connection).toMatchObject({ status: 'unsupported', message: 'R' });
    expect(kernel.sent).toEqual([]);
  });

  it('sends nothing more while nothing is asked', async () => {
    await connected();
    const before = kernel.sent.length;
    kernel.push({ type: 'update', version: 1, changed: {}, removed: {} });
    await settle(600_000);
    expect(kernel.sent).toHaveLength(before);
  });
});

describe('a kernel without moorage', () => {
  beforeEach(() => {
    kernel.isLoaded = false;
  });

  it('is told from one with it, and no subshell is left', async () => {
    void channel.connect();
    await settle();
    expect(channel.connection.status).toBe('absent');
    expect(opened(RPC)).toEqual([]);
    expect(kernel.subshells.size).toBe(0);
  });

  it('is connected to when it says hello', async () => {
    void channel.connect();
    await settle();
    kernel.sayHello();
    await settle();
    expect(channel.connection.status).toBe('connected');
  });
});

describe('another version of the protocol', () => {
  it('is refused by the panel', async () => {
    kernel.protocol = PROTOCOL_VERSION + 1;
    void channel.connect();
    await settle();
    expect(channel.connection.status).toBe('incompatible');
    expect(channel.connection.message).toContain('version 2');
    expect(received).toEqual([]);
    expect(kernel.open(PUSH)).toEqual([]);
  });

  it('is refused by the kernel, in its words', async () => {
    await connected();
    kernel.close(PUSH, { reason: 'protocol', message: 'update the panel' });
    expect(channel.connection).toMatchObject({ status: 'incompatible', message: 'update the panel' });
  });
});

describe('a request', () => {
  it('gets the answer of its own id', async () => {
    await connected();
    const one = channel.request('scale', { n: 1 });
    const two = channel.request('scale', { n: 2 });
    const [first, second] = requests();
    expect([first?.args, second?.args]).toEqual([{ n: 1 }, { n: 2 }]);
    kernel.reply({ type: 'reply', id: second?.id, ok: true, result: { answer: 2 } });
    kernel.reply({ type: 'reply', id: first?.id, ok: true });
    await expect(two).resolves.toEqual({ answer: 2 });
    await expect(one).resolves.toEqual({});
  });

  it('runs on the subshell', async () => {
    await connected();
    channel.request('stop', {}).catch(() => undefined);
    expect(kernel.sent[kernel.sent.length - 1]?.subshell).toBe([...kernel.subshells][0]);
  });

  it('fails with what the kernel says', async () => {
    await connected();
    const asked = channel.request('stop', {});
    const error = { kind: 'ReadOnlyError', message: 'This panel is read-only.', remedy: '' };
    kernel.reply({ type: 'reply', id: requests()[0]?.id, ok: false, error });
    await expect(asked).rejects.toEqual(new RequestError(error));
  });

  it('does not wait for ever', async () => {
    await connected();
    const failed = expect(channel.request('stop', {})).rejects.toMatchObject({
      error: { kind: 'WaitTimeoutError' }
    });
    await settle(ANSWER_TIMEOUT);
    await failed;
    kernel.reply({ type: 'reply', id: requests()[0]?.id, ok: true });
  });

  it('fails at once without a connection, and when the connection ends', async () => {
    await expect(channel.request('stop', {})).rejects.toMatchObject({ error: { kind: 'UnreachableError' } });
    await connected();
    const waiting = expect(channel.request('stop', {})).rejects.toMatchObject({
      error: { kind: 'UnreachableError' }
    });
    kernel.changeStatus('restarting');
    await waiting;
  });
});

describe('the end of a connection', () => {
  it('comes with a restart, and the next one with a hello', async () => {
    await connected();
    kernel.subshells.clear();
    kernel.isLoaded = false;
    kernel.changeStatus('restarting');
    expect(channel.connection.status).toBe('absent');
    kernel.changeStatus('idle');
    kernel.sayHello();
    await settle();
    expect(channel.connection.status).toBe('connected');
    expect(kernel.subshells.size).toBe(1);
  });

  it('comes with a restart by another page, of which nobody tells', async () => {
    await connected();
    kernel.publishStatus('one');
    kernel.publishStatus('of the server', {});
    kernel.publishStatus('one');
    expect(channel.connection.status).toBe('connected');
    kernel.publishStatus('another');
    expect(channel.connection.status).toBe('absent');
    kernel.sayHello();
    await settle();
    kernel.publishStatus('another');
    expect(channel.connection.status).toBe('connected');
  });

  it('comes with the death of the kernel', async () => {
    await connected();
    kernel.changeStatus('dead');
    expect(channel.connection.status).toBe('dead');
    await channel.connect();
    expect(channel.connection.status).toBe('dead');
  });

  it('comes when moorage is unloaded', async () => {
    await connected();
    kernel.close(PUSH, { reason: 'unloaded', message: '' });
    await settle();
    expect(channel.connection.status).toBe('absent');
    expect(kernel.open(RPC)).toEqual([]);
  });

  it('closes the comms over the main shell, and the subshell', async () => {
    await connected();
    channel.dispose();
    const closes = kernel.sent.filter(({ type }) => type === 'comm_close');
    expect(closes.map(({ subshell }) => subshell)).toEqual([null, null]);
    expect(kernel.subshells.size).toBe(0);
  });

  it('leaves nothing behind over twenty reloads', async () => {
    await connected();
    for (let reload = 0; reload < 20; reload++) {
      window.dispatchEvent(new Event('pagehide'));
      channel.dispose();
      channel = follow(new Channel(kernel.asConnection(), english, new Tab()));
      await connected();
    }
    expect(kernel.subshells.size).toBe(1);
    expect(kernel.open(PUSH)).toHaveLength(1);
    expect(kernel.open(RPC)).toHaveLength(1);
    expect(new Set(opened(PUSH).map(sent => dataOf(sent)['tab'])).size).toBe(1);
  });

  it('is made good by the next page where the last one could not', async () => {
    await connected();
    const [left] = kernel.subshells;
    // The page went away without a word: only the storage of its tab is left.
    const next = new Channel(kernel.asConnection(), english, new Tab());
    void next.connect();
    await settle();
    expect(kernel.subshells.has(left ?? '')).toBe(false);
    next.dispose();
  });
});

/** The locks of a browser, as far as tabs need them. */
class Browser {
  private readonly _held = new Map<LockManager, string[]>();

  open(storage: Storage): { tab: Tab; die: () => void } {
    const locks = {
      query: () => Promise.resolve({ held: [...this._held.values()].flat().map(name => ({ name })) }),
      request: (name: string) => {
        this._held.get(locks)?.push(name);
        return new Promise(() => undefined);
      }
    } as unknown as LockManager;
    this._held.set(locks, []);
    return { tab: new Tab(storage, window.localStorage, locks), die: () => this._held.delete(locks) };
  }
}

/** What is stored for one tab. */
class TabStorage extends Map<string, string> {
  getItem = (key: string): string | null => this.get(key) ?? null;
  setItem = (key: string, value: string): void => void this.set(key, value);
}
const aStorage = (): Storage => new TabStorage() as unknown as Storage;

describe('tabs of a browser', () => {
  const open = async (tab: Tab): Promise<Channel> => {
    const made = new Channel(kernel.asConnection(), english, tab);
    void made.connect();
    await settle();
    expect(made.connection.status).toBe('connected');
    return made;
  };

  it('clear away what a tab that died has left, and nothing of one that lives', async () => {
    const browser = new Browser();
    const [one, two] = [browser.open(aStorage()), browser.open(aStorage())];
    await open(one.tab);
    await open(two.tab);
    expect(kernel.subshells.size).toBe(2);
    const left = kernel.open(PUSH).map(({ commId }) => commId)[0];
    one.die();
    await open(browser.open(aStorage()).tab);
    expect(kernel.subshells.size).toBe(2);
    const closed = kernel.sent
      .filter(({ type }) => type === 'comm_close')
      .map(sent => sent.content['comm_id']);
    expect(closed).toHaveLength(2);
    expect(closed).toContain(left);
  });

  it('that are duplicates do not close what is the original’s', async () => {
    const browser = new Browser();
    const storage = aStorage();
    await open(browser.open(storage).tab);
    const [subshell] = kernel.subshells;
    const copy = aStorage();
    copy.setItem('moorage:tab', storage.getItem('moorage:tab') ?? '');
    await open(browser.open(copy).tab);
    expect(kernel.subshells.has(subshell ?? '')).toBe(true);
    expect(new Set(opened(PUSH).map(sent => dataOf(sent)['tab'])).size).toBe(2);
  });

  it('forget what is open in kernels that nobody comes back to', async () => {
    const browser = new Browser();
    const gone = browser.open(aStorage());
    await gone.tab.left('another kernel');
    gone.tab.note('another kernel', { subshell: 'x', comms: [] });
    gone.die();
    await settle(25 * 3600 * 1000);
    await open(browser.open(aStorage()).tab);
    expect(Object.keys(window.localStorage).filter(key => key.includes('another kernel'))).toEqual([]);
  });
});

describe('a tab', () => {
  it('that was duplicated takes another name and opens again', async () => {
    await connected();
    const before = dataOf(opened(PUSH)[0])['tab'];
    kernel.close(PUSH, { reason: 'replaced', message: '' });
    await settle();
    expect(channel.connection.status).toBe('connected');
    expect(dataOf(opened(PUSH)[1])['tab']).not.toBe(before);
    expect(kernel.subshells.size).toBe(1);
  });

  it('comes back from the history', async () => {
    await connected();
    window.dispatchEvent(new Event('pagehide'));
    expect(kernel.open(PUSH)).toEqual([]);
    window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
    await settle();
    expect(channel.connection.status).toBe('connected');
  });
});

describe('read-only', () => {
  it('is told to the kernel when the comms are opened, again when it changes', async () => {
    channel.setReadOnly(true);
    await connected();
    expect(dataOf(opened(RPC)[0])['read_only']).toBe(true);
    channel.setReadOnly(false);
    await settle();
    expect(dataOf(opened(RPC)[1])['read_only']).toBe(false);
    expect(channel.connection.status).toBe('connected');
  });
});

describe('a link to the server that was interrupted', () => {
  it('makes those who listen look again', async () => {
    await connected();
    const resumed = vi.fn();
    channel.resumed.connect(resumed);
    kernel.connectionStatusChanged.emit('connected');
    expect(resumed).not.toHaveBeenCalled();
    kernel.connectionStatusChanged.emit('connecting');
    kernel.connectionStatusChanged.emit('connected');
    expect(resumed).toHaveBeenCalledOnce();
  });
});
