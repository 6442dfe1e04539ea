// A kernel connection that keeps what is sent through it, and a kernel behind it that speaks moorage's channel protocol.
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { CommsOverSubshells } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';

import { HELLO, PUSH, RPC } from '../../labextension/src/transport/channel';
import { PROTOCOL_VERSION } from '../../labextension/src/protocol';
import { aSnapshot } from './examples';

type Handler<Message> = (message: Message) => void;

class FakeComm {
  constructor(
    readonly targetName: string,
    readonly commId: string
  ) {}
  commsOverSubshells: CommsOverSubshells = CommsOverSubshells.PerCommTarget;
  onMsg: Handler<KernelMessage.ICommMsgMsg> = () => undefined;
  onClose: Handler<KernelMessage.ICommCloseMsg> = () => undefined;
  isDisposed = false;
  dispose(): void {
    this.isDisposed = true;
  }
}

/** A message that went to the kernel. */
export interface ISent {
  readonly channel: string;
  readonly type: string;
  readonly subshell: string | null;
  readonly content: JSONObject;
}

export class FakeKernel {
  readonly id = 'kernel-1';
  readonly clientId = 'client-1';
  readonly username = 'me';
  status: Kernel.Status = 'idle';
  isDisposed = false;
  commsOverSubshells = CommsOverSubshells.PerCommTarget;

  readonly statusChanged = new Signal<this, Kernel.Status>(this);
  readonly connectionStatusChanged = new Signal<this, Kernel.ConnectionStatus>(this);
  readonly iopubMessage = new Signal<this, KernelMessage.IIOPubMessage>(this);
  readonly disposed = new Signal<this, void>(this);

  /** What a kernel says of itself; set before it is asked. */
  features: string[] | 'busy' = ['kernel subshells'];
  language = 'python';
  /** Whether moorage is loaded. */
  isLoaded = true;
  isInstalled = true;
  protocol: number = PROTOCOL_VERSION;
  readonly sent: ISent[] = [];
  readonly subshells = new Set<string>();
  readonly comms = new Map<string, FakeComm>();

  get info(): Promise<KernelMessage.IInfoReply> {
    const { features } = this;
    return features === 'busy'
      ? new Promise(() => undefined)
      : Promise.resolve({ supported_features: features } as unknown as KernelMessage.IInfoReply);
  }

  get spec(): Promise<{ language: string; display_name: string }> {
    return Promise.resolve({ language: this.language, display_name: this.language });
  }

  createComm(target: string): FakeComm {
    const comm = new FakeComm(target, `comm-${++this._count}`);
    this.comms.set(comm.commId, comm);
    return comm;
  }

  sendControlMessage(message: KernelMessage.IControlMessage): { done: Promise<unknown> } {
    const content = message.content as JSONObject;
    const type: string = message.header.msg_type;
    this.sent.push({ channel: 'control', type, subshell: null, content });
    if (type === 'create_subshell_request') {
      if (this.features !== 'busy' && !this.features.includes('kernel subshells')) {
        return { done: new Promise(() => undefined) };
      }
      const subshell = `subshell-${++this._count}`;
      this.subshells.add(subshell);
      return { done: Promise.resolve({ content: { status: 'ok', subshell_id: subshell } }) };
    }
    this.subshells.delete(content['subshell_id'] as string);
    return { done: Promise.resolve({ content: { status: 'ok' } }) };
  }

  sendShellMessage(message: KernelMessage.IShellMessage): { done: Promise<void> } {
    const content = message.content as JSONObject;
    const type: string = message.header.msg_type;
    this.sent.push({ channel: 'shell', type, subshell: message.header.subshell_id ?? null, content });
    if (type === 'comm_open') {
      queueMicrotask(() => this._opened(content['comm_id'] as string, content['target_name'] as string));
    }
    return { done: Promise.resolve() };
  }

  requestExecute(content: JSONObject): { done: Promise<unknown> } {
    this.sent.push({ channel: 'shell', type: 'execute_request', subshell: null, content });
    const said = (text: string): object => ({ status: 'ok', data: { 'text/plain': text } });
    const user_expressions = {
      missing: said(this.isInstalled ? 'False' : 'True'),
      where: said("'/opt/other'")
    };
    return { done: Promise.resolve({ content: { status: 'ok', user_expressions } }) };
  }

  /** Comms that the panel has open, by target. */
  open(target: string): FakeComm[] {
    return [...this.comms.values()].filter(comm => comm.targetName === target && !comm.isDisposed);
  }

  push(data: unknown): void {
    this.open(PUSH).forEach(comm => comm.onMsg({ content: { data } } as KernelMessage.ICommMsgMsg));
  }

  reply(data: unknown): void {
    this.open(RPC).forEach(comm => comm.onMsg({ content: { data } } as KernelMessage.ICommMsgMsg));
  }

  /** The kernel closes the comms of a target. */
  close(target: string, data: JSONObject): void {
    this.open(target).forEach(comm => {
      comm.dispose();
      comm.onClose({ content: { data } } as KernelMessage.ICommCloseMsg);
    });
  }

  sayHello(): void {
    this.isLoaded = true;
    const header = { msg_type: 'comm_msg', session: 'kernel' };
    const content = { comm_id: HELLO, data: { protocol: this.protocol } };
    this.iopubMessage.emit({ header, parent_header: {}, content } as unknown as KernelMessage.IIOPubMessage);
  }

  /** A status of the kernel that answers some page, or one of the server's own that answers nobody. */
  publishStatus(session: string, parent: object = { msg_id: 'of-some-page' }): void {
    const header = { msg_type: 'status', session };
    this.iopubMessage.emit({ header, parent_header: parent } as KernelMessage.IIOPubMessage);
  }

  changeStatus(status: Kernel.Status): void {
    this.status = status;
    this.statusChanged.emit(status);
  }

  asConnection(): Kernel.IKernelConnection {
    return this as unknown as Kernel.IKernelConnection;
  }

  private _opened(id: string, target: string): void {
    const comm = this.comms.get(id);
    if (comm === undefined || comm.isDisposed) {
      return;
    }
    if (!this.isLoaded) {
      this.close(target, {});
    } else if (target === PUSH) {
      this.push({ ...aSnapshot(), protocol: this.protocol });
    }
  }

  private _count = 0;
}
