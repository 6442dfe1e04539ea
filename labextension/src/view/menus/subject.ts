// What an element of the board is about, of which one can ask why it is as it is: a variable, what else has a name on the
// cluster, or a worker.
import type { PanelWhyArgs } from '../../protocol';
import type { IBoardState } from '../../store/state';
import { variableAt } from '../hand/draggable';

/** What can be asked about; null: nothing there. */
export function subjectAt(element: Element): PanelWhyArgs | null {
  const variable = variableAt(element);
  if (variable !== null) {
    return { kind: 'name', name: variable.name };
  }
  const { moorageExplains: named } = element.closest<HTMLElement>('[data-moorage-explains]')?.dataset ?? {};
  if (named !== undefined) {
    return { kind: 'name', name: named };
  }
  const { moorageWorker: worker } = element.closest<HTMLElement>('[data-moorage-worker]')?.dataset ?? {};
  return worker === undefined ? null : { kind: 'worker', name: worker };
}

/** Whether an element shows of a part that it is there. */
export function isPartThere(element: Element): boolean {
  return element.closest<HTMLElement>('[data-moorage-part]')?.dataset['moorageState'] === 'memory';
}

/** Whether it is not as the user wants it, or only the kernel can tell. */
export function isQuestionable(state: IBoardState, { kind, name }: PanelWhyArgs): boolean {
  if (kind !== 'name') {
    const worker = state.workers.get(name);
    return worker !== undefined && (worker.status !== 'running' || worker.spilled > 0);
  }
  const variable = state.variables.get(name);
  return variable === undefined ? !state.candidates.has(name) : variable.state !== 'held' || variable.stale;
}
