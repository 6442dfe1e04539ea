// One comm, opened by the panel, whose messages run on a subshell of the panel's choice.
//
// JupyterLab's own comm object chooses the subshell by itself; so it serves for receiving only, and what is sent goes
// straight to the kernel's shell channel with the wanted `subshell_id` (null: the main shell).
import { CommsOverSubshells, type Kernel, KernelMessage } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';

export class SubshellComm {
  /**
   * @param received - the data of each message.
   * @param closed - the kernel has closed the comm, with this data.
   */
  constructor(
    private readonly _kernel: Kernel.IKernelConnection,
    target: string,
    private readonly _subshell: string | null,
    received: (data: JSONObject) => void,
    closed: (data: JSONObject) => void
  ) {
    this._comm = _kernel.createComm(target);
    this._comm.commsOverSubshells = CommsOverSubshells.Disabled;
    this._comm.onMsg = message => received(message.content.data);
    this._comm.onClose = message => {
      this._closed = true;
      closed(message.content.data);
    };
  }

  get id(): string {
    return this._comm.commId;
  }

  open(data: JSONObject): void {
    const { commId, targetName } = this._comm;
    dispatch(this._kernel, 'comm_open', { comm_id: commId, target_name: targetName, data }, this._subshell);
  }

  send(data: JSONObject): void {
    dispatch(this._kernel, 'comm_msg', { comm_id: this._comm.commId, data }, this._subshell);
  }

  /** Close it from this side. Goes through the main shell: the subshell may be deleted before it gets there. */
  close(): void {
    if (this._closed) {
      return;
    }
    this._closed = true;
    if (!this._kernel.isDisposed && this._kernel.status !== 'dead') {
      dispatch(this._kernel, 'comm_close', { comm_id: this._comm.commId, data: {} }, null);
    }
    this.forget();
  }

  /** Drop it without a word, because the other end is gone. */
  forget(): void {
    this._closed = true;
    this._comm.onMsg = () => undefined;
    this._comm.onClose = () => undefined;
    this._comm.dispose();
  }

  private readonly _comm: Kernel.IComm;
  private _closed = false;
}

/** Close a comm that another page has left open. */
export function closeComm(kernel: Kernel.IKernelConnection, id: string, subshell: string | null): void {
  dispatch(kernel, 'comm_close', { comm_id: id, data: {} }, subshell);
}

function dispatch(
  kernel: Kernel.IKernelConnection,
  msgType: 'comm_open' | 'comm_msg' | 'comm_close',
  content: JSONObject,
  subshellId: string | null
): void {
  const message = KernelMessage.createMessage({
    msgType,
    channel: 'shell',
    username: kernel.username,
    session: kernel.clientId,
    subshellId,
    content
  } as KernelMessage.IOptions<KernelMessage.ICommMsgMsg<'shell'>>);
  kernel.sendShellMessage(message, false, true).done.catch(() => undefined);
}
