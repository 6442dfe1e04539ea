// Whether moorage is installed where a kernel runs, which may be another environment than JupyterLab's.
import type { Kernel, KernelMessage } from '@jupyterlab/services';

const LOOK = "__import__('importlib.util').util.find_spec('moorage') is None";
const WHERE = "__import__('sys').prefix";

/** The environment of a kernel that lacks moorage; null where it is installed, or the kernel does not say. */
export async function lacksMoorage(kernel: Kernel.IKernelConnection): Promise<string | null> {
  // Silent, with no code: the notebook's own history, counter and output stay as they are.
  const asked = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    user_expressions: { missing: LOOK, where: WHERE }
  });
  const { content } = await asked.done;
  const said = (content as Partial<KernelMessage.IReplyOkContent & { user_expressions: object }>)
    .user_expressions as Record<string, { data?: Record<string, string> }> | undefined;
  const [missing, where] = ['missing', 'where'].map(name => said?.[name]?.data?.['text/plain']);
  return missing === 'True' ? (where ?? '').slice(1, -1) : null;
}
