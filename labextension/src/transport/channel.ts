// The conversation of one browser tab with one kernel.
//
// Two comms (one comm for both would make requests wait behind a running cell: ipykernel sends what the panel says to the
// shell that last published on the same comm):
//
//   moorage.push   opened by the panel with PanelOpen; the kernel alone speaks: a PanelSnapshot at once, then PanelUpdates
//   moorage.rpc    opened by the panel with PanelOpen after the first snapshot; it sends PanelRequests, and the kernel
//                  answers each with a PanelReply inside its message handler
//   moorage.hello  never opened: a message on it says that moorage has been loaded. A page that was there before now opens
//                  the other two; a frontend without the panel ignores what is said on a comm that it does not know
//
// Both run on one subshell that the panel makes, so that they work while a cell runs; without subshells they work between
// cells. A comm_close by the kernel carries PanelClosed; one without data is ipykernel's answer to a target that nobody has
// registered: moorage is not loaded. The kernel keeps one comm of each target for a tab: a reloaded page replaces its own. A
// tab that is told "replaced" while it lives is one of two that share a name (a browser duplicates a tab with its storage):
// it takes another name and opens again. Nothing is ever polled: a message from the panel makes JupyterLab show the kernel
// as idle, even while a cell runs.
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import {
  PROTOCOL_VERSION,
  type PanelClosed,
  type PanelError,
  type PanelOps,
  type PanelReply,
  type PanelSnapshot,
  type PanelUpdate
} from '../protocol';
import type { IRequester } from '../store/model';
import type { ConnectionStatus, IConnection } from '../store/state';
import { type ITranslate, english } from '../translate';
import { SubshellComm, closeComm } from './comm';
import { lacksMoorage } from './installed';
import { Requests } from './requests';
import { closeSubshell, openSubshell } from './subshell';
import { type Tab, thisTab } from './tab';

export const PUSH = 'moorage.push';
export const RPC = 'moorage.rpc';
export const HELLO = 'moorage.hello';

export class Channel implements IRequester, IDisposable {
  constructor(
    readonly kernel: Kernel.IKernelConnection,
    private readonly _trans: ITranslate = english,
    private readonly _tab: Tab = thisTab()
  ) {
    this._requests = new Requests(
      request => {
        if (this._rpc === null) {
          throw new Error(this._trans.__('The panel is not connected to the kernel.'));
        }
        this._rpc.send(request as unknown as JSONObject);
      },
      () => this._timedOut()
    );
    kernel.statusChanged.connect(this._onStatusChanged, this);
    kernel.iopubMessage.connect(this._onPublished, this);
    kernel.connectionStatusChanged.connect(this._onConnectionStatusChanged, this);
    kernel.disposed.connect(this.dispose, this);
    window.addEventListener('pagehide', this._onPageHide);
    window.addEventListener('pageshow', this._onPageShow);
  }

  /** What the kernel pushes. */
  get received(): ISignal<this, PanelSnapshot | PanelUpdate> {
    return this._received;
  }

  /** The connection has changed; with `reset`, what was known of the kernel no longer holds. */
  get connectionChanged(): ISignal<this, { connection: IConnection; reset: boolean }> {
    return this._connectionChanged;
  }

  /** The link to the server was interrupted: pushes may have been missed. */
  get resumed(): ISignal<this, void> {
    return this._resumed;
  }

  get connection(): IConnection {
    return this._connection;
  }

  /** Whether a page has talked with this kernel before, so that moorage is likely to be there. */
  get isKnown(): boolean {
    return this._tab.knows(this.kernel.id);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Open the conversation, unless it is open. Until this is called or the kernel says hello, no message is sent. */
  async connect(): Promise<void> {
    this._wanted = true;
    if (this._isDisposed || this._push !== null || this._connecting) {
      return;
    }
    if (this.kernel.status === 'dead') {
      this._say('dead', '');
      return;
    }
    this._connecting = true;
    const epoch = ++this._epoch;
    this._say('connecting', '', true);
    try {
      const spec = await this.kernel.spec.catch(() => undefined);
      if (epoch !== this._epoch) {
        return;
      }
      if (spec !== undefined && spec.language.toLowerCase() !== 'python') {
        this._say('unsupported', spec.display_name);
        return;
      }
      const left = await this._tab.left(this.kernel.id);
      const subshell = await openSubshell(this.kernel);
      for (const { subshell: old, comms } of left) {
        comms.forEach(comm => closeComm(this.kernel, comm, subshell));
        if (old !== null) {
          closeSubshell(this.kernel, old);
        }
      }
      if (epoch !== this._epoch) {
        if (subshell !== null) {
          closeSubshell(this.kernel, subshell);
        }
        return;
      }
      this._subshell = subshell;
      this._connecting = false;
      this._openPush();
      this._say('connecting', '');
    } catch (reason) {
      this._end('absent', String(reason));
    } finally {
      if (epoch === this._epoch) {
        this._connecting = false;
      }
    }
  }

  /** Whether the kernel shall refuse whatever changes something; opens the conversation anew when that differs. */
  setReadOnly(readOnly: boolean): void {
    if (readOnly === this._readOnly) {
      return;
    }
    this._readOnly = readOnly;
    if (this._push !== null || this._connecting) {
      this._reconnect();
    }
  }

  request<Op extends keyof PanelOps>(op: Op, args: PanelOps[Op]): Promise<Record<string, unknown>> {
    return this._requests.request(op, args);
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._close();
    window.removeEventListener('pagehide', this._onPageHide);
    window.removeEventListener('pageshow', this._onPageShow);
    Signal.clearData(this);
  }

  private _openPush(): void {
    this._push = new SubshellComm(
      this.kernel,
      PUSH,
      this._subshell,
      data => this._onPush(data as unknown as PanelSnapshot | PanelUpdate),
      data => this._onClosed(data)
    );
    this._push.open(this._openData());
    this._note();
  }

  private _openRpc(): void {
    this._rpc = new SubshellComm(
      this.kernel,
      RPC,
      this._subshell,
      data => this._requests.settle(data as unknown as PanelReply),
      data => this._onClosed(data)
    );
    this._rpc.open(this._openData());
    this._note();
  }

  // So that somebody can clear it away, should this page die.
  private _note(): void {
    const comms = [this._push, this._rpc].flatMap(comm => comm?.id ?? []);
    this._tab.note(this.kernel.id, { subshell: this._subshell, comms });
  }

  private _openData(): JSONObject {
    return { protocol: PROTOCOL_VERSION, tab: this._tab.id, read_only: this._readOnly };
  }

  private _onPush(message: PanelSnapshot | PanelUpdate): void {
    if (message.type === 'snapshot' && message.protocol !== PROTOCOL_VERSION) {
      this._close();
      this._say(
        'incompatible',
        this._trans.__(
          'moorage in the kernel speaks version %1 of the protocol, this page version %2.',
          message.protocol,
          PROTOCOL_VERSION
        )
      );
      return;
    }
    if (this._rpc === null) {
      this._openRpc();
      this._received.emit(message);
      this._say('connected', '');
      return;
    }
    this._received.emit(message);
  }

  private _onClosed(data: JSONObject): void {
    const { reason, message = '' } = data as Partial<PanelClosed>;
    switch (reason) {
      case 'replaced':
        this._tab.renew();
        this._reconnect();
        return;
      case 'protocol':
        this._end('incompatible', message);
        return;
      case 'unloaded':
        this._end('absent', message);
        return;
      case undefined:
        this._end('absent', message);
        void this._lookForInstalled();
    }
  }

  private async _lookForInstalled(): Promise<void> {
    const epoch = this._epoch;
    const where = await lacksMoorage(this.kernel).catch(() => null);
    if (where !== null && epoch === this._epoch) {
      this._say('missing', where);
    }
  }

  private _reconnect(): void {
    this._close();
    void this.connect();
  }

  private _end(status: ConnectionStatus, message = ''): void {
    this._close();
    this._say(status, message, true);
  }

  // Close what is open; the kernel is there.
  private _close(): void {
    this._push?.close();
    this._rpc?.close();
    if (this._subshell !== null) {
      closeSubshell(this.kernel, this._subshell);
    }
    this._forget();
  }

  // Drop what was open; the other end is gone, or told.
  private _forget(): void {
    this._epoch++;
    this._connecting = false;
    this._push?.forget();
    this._rpc?.forget();
    this._push = this._rpc = this._subshell = this._session = null;
    this._tab.note(this.kernel.id, null);
    this._requests.failAll({
      kind: 'UnreachableError',
      message: this._trans.__('The connection to the kernel ended before it answered.'),
      remedy: this._trans.__('Check whether what you asked for has happened, and try again if not.')
    });
  }

  private _say(status: ConnectionStatus, message: string, reset = false): void {
    this._connection = { status, message, concurrent: this._connecting || this._subshell !== null };
    this._connectionChanged.emit({ connection: this._connection, reset });
  }

  private _timedOut(): PanelError {
    return {
      kind: 'WaitTimeoutError',
      message: this._trans.__('The kernel has not answered.'),
      remedy:
        this._subshell === null
          ? this._trans.__(
              'It answers between cells: if one is running, your request is handled when it ends.'
            )
          : this._trans.__('If this persists, restart the kernel.')
    };
  }

  private readonly _onPageHide = (): void => {
    const subshell = this._subshell;
    this._close();
    // The page may be gone before the kernel is told: the next one tells it again.
    if (subshell !== null) {
      this._tab.note(this.kernel.id, { subshell, comms: [] });
    }
  };

  private readonly _onPageShow = (event: PageTransitionEvent): void => {
    if (event.persisted && this._wanted) {
      void this.connect();
    }
  };

  private _onStatusChanged(_: Kernel.IKernelConnection, status: KernelMessage.Status): void {
    switch (status) {
      case 'restarting':
      case 'autorestarting':
        this._forget();
        this._say('absent', '', true);
        break;
      case 'dead':
        this._forget();
        this._say('dead', '', true);
        break;
      default:
        break;
    }
  }

  // Another page may have restarted the kernel, of which this one is told nothing; but what the kernel says then comes from
  // another session. Only of what answers somebody: the server has a session of its own.
  private _onPublished(
    _: Kernel.IKernelConnection,
    { header, parent_header, content }: KernelMessage.IIOPubMessage
  ): void {
    if (header.msg_type === 'comm_msg' && (content as JSONObject)['comm_id'] === HELLO) {
      // Wanted or not: it is loaded there, and commands act on it though no panel is open.
      this._reconnect();
      return;
    }
    if (header.msg_type !== 'status' || !('msg_id' in parent_header) || this._push === null) {
      return;
    }
    this._session ??= header.session;
    if (header.session !== this._session) {
      this._forget();
      this._say('absent', '', true);
    }
  }

  private _onConnectionStatusChanged(_: Kernel.IKernelConnection, status: Kernel.ConnectionStatus): void {
    if (status !== 'connected') {
      this._interrupted = true;
    } else if (this._interrupted) {
      this._interrupted = false;
      if (this._connection.status === 'connected') {
        this._resumed.emit();
      }
    }
  }

  private readonly _requests: Requests;
  private readonly _received = new Signal<this, PanelSnapshot | PanelUpdate>(this);
  private readonly _connectionChanged = new Signal<this, { connection: IConnection; reset: boolean }>(this);
  private readonly _resumed = new Signal<this, void>(this);
  private _connection: IConnection = { status: 'connecting', message: '', concurrent: true };
  private _push: SubshellComm | null = null;
  private _rpc: SubshellComm | null = null;
  private _subshell: string | null = null;
  /** Of the kernel, as its messages tell it. */
  private _session: string | null = null;
  private _epoch = 0;
  private _connecting = false;
  private _wanted = false;
  private _readOnly = false;
  private _interrupted = false;
  private _isDisposed = false;
}
