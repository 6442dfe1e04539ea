// A channel and a model for each kernel that has been active, and which of them is current. Connects only to kernels that
// somebody looks at, or that a page has been connected to before.
import type { Kernel } from '@jupyterlab/services';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import { PlacementModel } from './store/model';
import type { IPlacements } from './tokens';
import type { ITranslate } from './translate';
import { Channel } from './transport/channel';

interface ISession {
  readonly channel: Channel;
  readonly model: PlacementModel;
}

/** Milliseconds that a connection may take before somebody who wants to act is told how it stands. */
const CONNECTING = 15_000;

export class KernelSessions implements IPlacements {
  constructor(private readonly _trans: ITranslate) {}

  get current(): PlacementModel | null {
    return this._current?.model ?? null;
  }

  get currentChanged(): ISignal<this, void> {
    return this._currentChanged;
  }

  /** Make `kernel` the current one. */
  use(kernel: Kernel.IKernelConnection | null): void {
    const next = kernel === null ? null : this._sessionOf(kernel);
    if (next === this._current) {
      return;
    }
    this._current?.model.listCandidates(null);
    this._current = next;
    this._look();
    this._currentChanged.emit();
  }

  /** A kernel has been met for the first time: its model. */
  get met(): ISignal<this, PlacementModel> {
    return this._met;
  }

  /** Whether a board shows this kernel. */
  shows(model: PlacementModel): boolean {
    return this._watchers > 0 && model === this.current;
  }

  watch(): IDisposable {
    this._watchers++;
    this._look();
    return new DisposableDelegate(() => {
      this._watchers--;
      this._look();
    });
  }

  async reach<Result>(act: (model: PlacementModel | null) => Promise<Result>): Promise<Result> {
    const watching = this.watch();
    try {
      const model = this.current;
      if (model !== null) {
        await connected(model);
        await model.listed;
      }
      return await act(model);
    } finally {
      watching.dispose();
    }
  }

  /** Bytes from which a variable that is not placed is listed. */
  setThreshold(threshold: number): void {
    this._threshold = threshold;
    this._look();
  }

  setReadOnly(readOnly: boolean): void {
    this._readOnly = readOnly;
    this._look();
  }

  private _look(): void {
    if (this._current === null) {
      return;
    }
    const { channel, model } = this._current;
    channel.setReadOnly(this._readOnly);
    model.listCandidates(this._watchers > 0 ? this._threshold : null);
    if (this._watchers > 0) {
      void channel.connect();
    }
  }

  private _sessionOf(kernel: Kernel.IKernelConnection): ISession {
    const known = this._sessions.get(kernel);
    if (known !== undefined) {
      return known;
    }
    const channel = new Channel(kernel, this._trans);
    const model = new PlacementModel(channel);
    model.connectionChanged(channel.connection, true);
    channel.received.connect((_, message) => model.receive(message));
    channel.connectionChanged.connect((_, { connection, reset }) =>
      model.connectionChanged(connection, reset)
    );
    channel.resumed.connect(() => void model.resync());
    const session = { channel, model };
    this._sessions.set(kernel, session);
    this._met.emit(model);
    if (channel.isKnown) {
      void channel.connect(); // a page that is loaded again says in the status bar what the one before did
    }
    return session;
  }

  private readonly _sessions = new WeakMap<Kernel.IKernelConnection, ISession>();
  private readonly _met = new Signal<this, PlacementModel>(this);
  private readonly _currentChanged = new Signal<this, void>(this);
  private _current: ISession | null = null;
  private _watchers = 0;
  private _threshold = 0;
  private _readOnly = false;
}

// Until the connection is there, or is known to fail.
function connected(model: PlacementModel): Promise<void> {
  return new Promise(resolve => {
    const end = (): void => {
      clearTimeout(timer);
      unsubscribe();
      resolve();
    };
    const look = (): void => {
      if (model.state.connection.status !== 'connecting') {
        end();
      }
    };
    const timer = setTimeout(end, CONNECTING);
    const unsubscribe = model.subscribe(look);
    look();
  });
}
