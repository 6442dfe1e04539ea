// A subshell of the panel's own: a thread in the kernel that answers while a cell runs (Jupyter enhancement 91).
//
// JupyterLab can give each comm target a subshell, but only once `kernel.info` has come, and that waits behind a running
// cell when the page is reloaded. So the panel asks for one itself, over the control channel, which no cell blocks.
import { CommsOverSubshells, type Kernel, KernelMessage } from '@jupyterlab/services';

/** Milliseconds to wait for what the kernel says of itself, before asking it without knowing. */
const INFO_TIMEOUT = 500;

/** Milliseconds to wait for a subshell, before doing without. A new connection holds messages back for up to 3 s. */
const SUBSHELL_TIMEOUT = 8_000;

/** Make a subshell; null when this kernel has none, or the user does not want comms on them. */
export async function openSubshell(kernel: Kernel.IKernelConnection): Promise<string | null> {
  if (kernel.commsOverSubshells === CommsOverSubshells.Disabled) {
    return null;
  }
  const supported = kernel.info.then(
    info => info.supported_features?.includes('kernel subshells') ?? false,
    () => false
  );
  if (!(await within(INFO_TIMEOUT, supported, true))) {
    return null;
  }
  const message = KernelMessage.createMessage<KernelMessage.ICreateSubshellRequestMsg>({
    msgType: 'create_subshell_request',
    channel: 'control',
    username: kernel.username,
    session: kernel.clientId,
    content: {}
  });
  const asked = kernel.sendControlMessage(message, true, true).done.then(
    reply => {
      // Absent when the reply is an error.
      const { subshell_id } = reply.content as { subshell_id?: string };
      return subshell_id ?? null;
    },
    () => null
  );
  const unsupported = supported.then(yes => (yes ? asked : null));
  const subshell = await within(SUBSHELL_TIMEOUT, Promise.race([asked, unsupported]), undefined);
  if (subshell === undefined) {
    void asked.then(late => {
      if (late !== null) {
        closeSubshell(kernel, late);
      }
    });
  }
  return subshell ?? null;
}

/** End a subshell. One that is gone already does no harm. */
export function closeSubshell(kernel: Kernel.IKernelConnection, subshell: string): void {
  if (kernel.isDisposed || kernel.status === 'dead') {
    return;
  }
  const message = KernelMessage.createMessage<KernelMessage.IDeleteSubshellRequestMsg>({
    msgType: 'delete_subshell_request',
    channel: 'control',
    username: kernel.username,
    session: kernel.clientId,
    content: { subshell_id: subshell }
  });
  kernel.sendControlMessage(message, true, true).done.catch(() => undefined);
}

/** What `promise` resolves with, or `otherwise` after so many milliseconds. */
async function within<Value, Otherwise>(
  milliseconds: number,
  promise: Promise<Value>,
  otherwise: Otherwise
): Promise<Value | Otherwise> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Otherwise>(resolve => {
    timer = setTimeout(() => resolve(otherwise), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
