import { describe, expect, it, vi } from 'vitest';

import { type IRequester, PlacementModel, RequestError } from '../../../labextension/src/store/model';
import { aSnapshot, aState, aVariable, byName } from '../examples';

const CONNECTED = { status: 'connected', message: '', concurrent: true } as const;

/** A model over requests that are answered by hand. */
function setUp(): {
  model: PlacementModel;
  asked: { op: string; args: unknown }[];
  answer(result?: Record<string, unknown>): Promise<void>;
  refuse(kind: string): Promise<void>;
} {
  const waiting: { resolve(result: Record<string, unknown>): void; reject(error: Error): void }[] = [];
  const asked: { op: string; args: unknown }[] = [];
  const requester: IRequester = {
    request: (op, args) => {
      asked.push({ op, args });
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    }
  };
  const model = new PlacementModel(requester);
  model.connectionChanged(CONNECTED, true);
  model.receive(aSnapshot(aState({ variables: byName(aVariable('x', { held: { alice: 1 } })) })));
  const settled = async (): Promise<void> => {
    await Promise.resolve();
    await new Promise(resolve => setTimeout(resolve));
  };
  return {
    model,
    asked,
    answer: (result = {}) => {
      waiting.shift()?.resolve(result);
      return settled();
    },
    refuse: kind => {
      waiting.shift()?.reject(new RequestError({ kind, message: 'It cannot be.', remedy: 'Do something.' }));
      return settled();
    }
  };
}

const EVERYWHERE = { names: ['x'], placement: { kind: 'everywhere' } } as const;

describe('an act of the user', () => {
  it('is pending in look only, until the kernel answers', async () => {
    const { model, asked, answer } = setUp();
    const before = model.state;
    model.perform([EVERYWHERE]);
    const pending = model.state;
    expect(pending.intents).toMatchObject([EVERYWHERE]);
    expect(pending.variables).toBe(before.variables);
    expect(asked).toEqual([
      { op: 'place', args: { names: ['x'], placement: { kind: 'everywhere' }, force: false } }
    ]);
    await answer();
    expect(model.state.intents).toEqual([]);
    expect(model.state.failures).toEqual([]);
  });

  it('leaves its magic behind', () => {
    const { model } = setUp();
    model.perform([EVERYWHERE, { names: ['y'], placement: null }]);
    expect(model.state.magic).toEqual(['%broadcast x', '%release y']);
    model.scale(8);
    expect(model.state.magic).toEqual(['%cluster scale 8']);
    model.adapt([1, 8]);
    expect(model.state.magic).toEqual(['%cluster adapt 1 8']);
    model.adapt(null);
    expect(model.state.magic).toEqual(['%cluster adapt --off']);
    model.attach('tls://node 1:8786');
    expect(model.state.magic).toEqual([`%cluster attach 'tls://node 1:8786'`]);
    model.start({ workers: 2 });
    expect(model.state.magic).toEqual(['%cluster start -n 2']);
    model.stop();
    expect(model.state.magic).toEqual(['%cluster stop']);
  });

  it('that is refused stays visible until it is dismissed', async () => {
    const { model, refuse } = setUp();
    model.perform([{ names: ['x'], placement: null }]);
    await refuse('UnknownVariableError');
    const [failure] = model.state.failures;
    expect(failure).toMatchObject({
      error: { message: 'It cannot be.', remedy: 'Do something.' },
      retry: null
    });
    expect(model.state.intents).toEqual([]);
    model.dismissFailure(failure?.id ?? -1);
    expect(model.state.failures).toEqual([]);
  });

  it('that does not fit can be forced', async () => {
    const { model, asked, refuse } = setUp();
    model.perform([EVERYWHERE]);
    await refuse('DoesNotFitError');
    const retry = model.state.failures[0]?.retry;
    expect(retry).toEqual(EVERYWHERE);
    model.perform(retry ? [retry] : [], true);
    expect(asked[1]).toMatchObject({ op: 'place', args: { force: true } });
    expect(model.state.magic).toEqual(['%broadcast x --force']);
  });
});

describe('a gap in the updates', () => {
  it('makes the model ask once for a snapshot, and go on from there', async () => {
    const { model, asked, answer } = setUp();
    model.receive({ type: 'update', version: 4, changed: {}, removed: {} });
    model.receive({ type: 'update', version: 5, changed: { read_only: true }, removed: {} });
    expect(asked).toEqual([{ op: 'snapshot', args: {} }]);
    await answer(aSnapshot(aState(), 4));
    expect(model.state).toMatchObject({ version: 5, backlog: null, readOnly: true });
  });

  it('is none when an update overtakes the snapshot that was asked for', async () => {
    const { model, answer } = setUp();
    const version = model.state.version ?? 0;
    void model.resync();
    model.receive({ type: 'update', version: version + 1, changed: { read_only: true }, removed: {} });
    await answer(aSnapshot(aState(), version));
    expect(model.state).toMatchObject({ version: version + 1, readOnly: true });
  });

  it('is found again after a request that failed', async () => {
    const { model, asked, refuse } = setUp();
    model.receive({ type: 'update', version: 4, changed: {}, removed: {} });
    await refuse('WaitTimeoutError');
    expect(model.state.failures).toEqual([]);
    model.receive({ type: 'update', version: 5, changed: {}, removed: {} });
    expect(asked.map(({ op }) => op)).toEqual(['snapshot', 'snapshot']);
  });
});

describe('watching', () => {
  it('is said when it begins, changes and ends, and again after a new connection', async () => {
    const { model, asked, answer } = setUp();
    model.listCandidates(null);
    expect(asked).toEqual([]);
    model.listCandidates(100);
    model.listCandidates(100);
    model.listCandidates(200);
    model.listCandidates(null);
    model.listCandidates(300);
    model.connectionChanged({ ...CONNECTED, status: 'connecting' });
    model.connectionChanged(CONNECTED);
    expect(asked.map(({ args }) => args)).toEqual([
      { candidates: true, threshold: 100 },
      { candidates: true, threshold: 200 },
      { candidates: false, threshold: 0 },
      { candidates: true, threshold: 300 },
      { candidates: true, threshold: 300 }
    ]);
    await answer();
  });

  it('waits for a connection', () => {
    const request = vi.fn(() => Promise.resolve({}));
    const model = new PlacementModel({ request });
    model.listCandidates(100);
    expect(request).not.toHaveBeenCalled();
    model.connectionChanged(CONNECTED, true);
    expect(request).toHaveBeenCalledWith('watch', { candidates: true, threshold: 100 });
  });
});
