import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { KernelSessions } from '../../../labextension/src/sessions';
import type { IPlacementModel } from '../../../labextension/src/store/actions';
import { RPC } from '../../../labextension/src/transport/channel';
import { Tab } from '../../../labextension/src/transport/tab';
import { english } from '../../../labextension/src/translate';
import { FakeKernel } from '../fakeKernel';

let kernel: FakeKernel;
let sessions: KernelSessions;

const settle = (milliseconds = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);
const asked = (): { id: number; op: string }[] =>
  kernel.sent
    .filter(({ type }) => type === 'comm_msg')
    .map(({ content }) => content['data'] as unknown as { id: number; op: string });
const statusOf = (model: IPlacementModel | null): Promise<string | undefined> =>
  Promise.resolve(model?.state.connection.status);

beforeEach(() => {
  vi.useFakeTimers();
  window.sessionStorage.clear();
  window.localStorage.clear();
  kernel = new FakeKernel();
  sessions = new KernelSessions(english);
});

afterEach(() => {
  vi.useRealTimers();
});

describe('a board that nobody watches', () => {
  it('is reached by a command: connected, and told of what could be placed', async () => {
    sessions.use(kernel.asConnection());
    await settle();
    expect(kernel.sent).toEqual([]);
    const act = vi.fn(statusOf);
    const done = sessions.reach(act);
    await settle();
    expect(asked().map(({ op }) => op)).toEqual(['watch']);
    expect(act).not.toHaveBeenCalled();
    asked().forEach(({ id }) => kernel.reply({ type: 'reply', id, ok: true, result: {} }));
    expect(await done).toBe('connected');
    await settle();
    expect(asked().map(({ op }) => op)).toEqual(['watch', 'watch']); // and no longer
    expect(kernel.open(RPC)).toHaveLength(1);
  });

  it('is shown as it is where moorage is not loaded', async () => {
    kernel.isLoaded = false;
    sessions.use(kernel.asConnection());
    const done = sessions.reach(statusOf);
    await settle(1000);
    expect(await done).toBe('absent');
  });

  it('is given up where the kernel says nothing', async () => {
    kernel.sendShellMessage = () => ({ done: Promise.resolve() });
    sessions.use(kernel.asConnection());
    const done = sessions.reach(statusOf);
    await settle(60_000);
    expect(await done).toBe('connecting');
  });

  it('is connected to at once where a page has been before', async () => {
    new Tab().note(kernel.id, { subshell: null, comms: [] });
    sessions.use(kernel.asConnection());
    await settle();
    expect(sessions.current?.state.connection.status).toBe('connected');
    expect(asked()).toEqual([]);
  });

  it('is none where no kernel is active', async () => {
    expect(await sessions.reach(statusOf)).toBeUndefined();
  });
});
