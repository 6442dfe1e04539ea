// The state of one kernel's board, and the acts of the user upon it: what becomes of a request, and nothing of how it
// travels. Every act leaves its magic behind.
import { createStore } from 'zustand/vanilla';

import type {
  PanelError,
  PanelKept,
  PanelKeptCluster,
  PanelKind,
  PanelOps,
  PanelParts,
  PanelSnapshot,
  PanelUpdate,
  PanelWhy,
  PanelWhyArgs,
  PlacementDict
} from '../protocol';
import type { Form, IPlacementModel, IStartOptions } from './actions';
import type { IStep } from './gestures';
import {
  adaptMagic,
  attachMagic,
  keepMagic,
  leaveMagic,
  magicFor,
  restartMagic,
  undoMagic,
  scaleMagic,
  startMagic,
  stopMagic
} from './magic';
import { type IBoardState, type IConnection, type IExplanation, INITIAL, apply, forget } from './state';

/** Asks the kernel. */
export interface IRequester {
  /** Resolves with the reply's result; rejects with a `RequestError`. */
  request<Op extends keyof PanelOps>(op: Op, args: PanelOps[Op]): Promise<Record<string, unknown>>;
}

/** A request that was refused or not answered. */
export class RequestError extends Error {
  constructor(readonly error: PanelError) {
    super(error.message);
    this.name = 'RequestError';
  }
}

export class PlacementModel implements IPlacementModel {
  constructor(private readonly _requester: IRequester) {}

  get state(): IBoardState {
    return this._store.getState();
  }

  readonly subscribe = (listener: () => void): (() => void) => this._store.subscribe(listener);

  /** Take in a message of the kernel. */
  receive(message: PanelSnapshot | PanelUpdate): void {
    this._store.setState(state => apply(state, message));
    if (this.state.backlog !== null) {
      void this.resync();
    }
  }

  /** Take in that the connection has changed; with `reset`, nothing that was known holds any more. */
  connectionChanged(connection: IConnection, reset = false): void {
    this._store.setState(state => (reset ? forget(state, connection) : { ...state, connection }));
    if (connection.status === 'connected') {
      this._sendWatch();
    } else {
      this._watched = false;
    }
  }

  /** Ask for the whole state, because messages may have been missed. */
  async resync(): Promise<void> {
    if (this._resyncing) {
      return;
    }
    this._resyncing = true;
    try {
      const snapshot = (await this._requester.request('snapshot', {})) as PanelSnapshot;
      this._store.setState(state => (isOvertaken(snapshot, state) ? state : apply(state, snapshot)));
    } catch {
      // The next update finds the gap again; a connection that is lost says so by itself.
    } finally {
      this._resyncing = false;
    }
  }

  /** Resolves when what was asked last about variables that are not placed is answered: they have been told of. */
  get listed(): Promise<void> {
    return this._listing;
  }

  /** Have the kernel list variables that are not placed, of at least `threshold` bytes; null: no longer. */
  listCandidates(threshold: number | null): void {
    if (threshold === this._threshold) {
      return;
    }
    const other = threshold !== null && this._threshold !== null;
    this._threshold = threshold;
    this._watched = this._watched && !other;
    this._sendWatch();
  }

  perform(steps: readonly IStep[], force = false): void {
    this._setMagic(steps.map(({ names, placement }) => magicFor(names, placement, force)));
    for (const { names, placement } of steps) {
      const id = this._nextId++;
      this._store.setState(state => ({ intents: [...state.intents, { id, names, placement }] }));
      const asked =
        placement === null
          ? this._requester.request('release', { names: [...names] })
          : this._requester.request('place', { names: [...names], placement, force });
      void this._settle(asked, placement === null ? null : { names, placement }).then(() => {
        this._store.setState(state => ({ intents: state.intents.filter(intent => intent.id !== id) }));
      });
    }
  }

  start(options: IStartOptions): void {
    const { workers, ...others } = options;
    this._store.setState({ asked: options });
    this._act('start', { n_workers: workers, ...others }, startMagic(options));
  }

  async kind(name: string): Promise<PanelKind> {
    return (await this._requester.request('kind', { kind: name })) as PanelKind;
  }

  async kept(): Promise<readonly PanelKeptCluster[]> {
    return ((await this._requester.request('kept', {})) as PanelKept).clusters;
  }

  open(form: Form | null): void {
    this._store.setState({ form });
  }

  attach(target: string): void {
    this._act('attach', { target }, attachMagic(target));
    this.open(null);
  }

  scale(workers: number): void {
    this._act('scale', { n: workers }, scaleMagic(workers));
  }

  adapt(range: readonly [number, number] | null): void {
    const args = range === null ? {} : { minimum: range[0], maximum: range[1] };
    this._act('adapt', args, adaptMagic(range));
  }

  keep(on: boolean): void {
    this._act('keep', { on }, keepMagic(on));
  }

  leave(): void {
    this._act('leave', {}, leaveMagic);
  }

  stop(): void {
    this._act('stop', {}, stopMagic);
  }

  restart(worker: string): void {
    this._act('restart', { worker }, restartMagic(worker));
  }

  undo(): void {
    this._act('undo', {}, undoMagic);
  }

  cancel(computation: string): void {
    this._act('cancel', { id: computation }, null); // the notebook may have no name for it
  }

  dismiss(id: string): void {
    void this._settle(this._requester.request('dismiss', { id }));
  }

  decide(proposal: string, agreed: boolean): void {
    const line = this.state.proposals.get(proposal)?.line ?? null;
    this._act('decide', { id: proposal, agreed }, agreed ? line : null);
  }

  explain(about: PanelWhyArgs): void {
    const explanation: IExplanation = { about, answer: null };
    this._store.setState({ explanation });
    const isStillAsked = (): boolean => this.state.explanation === explanation;
    const asked = this._requester.request('why', about).then(
      answer => {
        if (isStillAsked()) {
          this._store.setState({ explanation: { about, answer: answer as PanelWhy } });
        }
      },
      (reason: unknown) => {
        if (isStillAsked()) {
          this._store.setState({ explanation: null });
        }
        throw reason;
      }
    );
    void this._settle(asked);
  }

  async parts(name: string, start: number, count: number): Promise<PanelParts> {
    return (await this._requester.request('parts', { name, start, count })) as PanelParts;
  }

  dismissExplanation(): void {
    this._store.setState({ explanation: null });
  }

  dismissFailure(id: number): void {
    this._store.setState(state => ({ failures: state.failures.filter(failure => failure.id !== id) }));
  }

  private _act<Op extends keyof PanelOps>(op: Op, args: PanelOps[Op], magic: string | null): void {
    this._setMagic([magic]);
    void this._settle(this._requester.request(op, args));
  }

  private _setMagic(lines: readonly (string | null)[]): void {
    this._store.setState({ magic: lines.filter(line => line !== null) });
  }

  private async _settle(
    asked: Promise<unknown>,
    step: { names: readonly string[]; placement: PlacementDict } | null = null
  ): Promise<void> {
    try {
      await asked;
    } catch (reason) {
      const error: PanelError =
        reason instanceof RequestError
          ? reason.error
          : { kind: 'InternalError', message: String(reason), remedy: '' };
      const failure = {
        id: this._nextId++,
        error,
        retry: error.kind === 'DoesNotFitError' ? step : null
      };
      this._store.setState(state => ({ failures: [...state.failures, failure] }));
    }
  }

  private _sendWatch(): void {
    const connected = this.state.connection.status === 'connected';
    if (!connected || this._watched === (this._threshold !== null)) {
      return;
    }
    this._watched = this._threshold !== null;
    const args = { candidates: this._threshold !== null, threshold: this._threshold ?? 0 };
    // Not an act of the user: without the list the board is poorer, and that is all.
    this._listing = this._requester.request('watch', args).then(
      () => undefined,
      () => void (this._watched = false)
    );
  }

  private readonly _store = createStore(() => INITIAL);
  private _nextId = 1;
  private _resyncing = false;
  private _threshold: number | null = null;
  private _watched = false;
  private _listing = Promise.resolve();
}

// Answers and updates come on comms of their own: an update that was told after a snapshot may be here before it.
function isOvertaken(snapshot: PanelSnapshot, { version, backlog }: IBoardState): boolean {
  return version !== null && backlog === null && snapshot.version < version;
}
