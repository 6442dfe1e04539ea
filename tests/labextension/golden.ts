// Messages that pytest reads as well. JSON has no literal types: the tests that read them show that they fit.
import type {
  PanelReply,
  PanelRequest,
  PanelSnapshot,
  PanelState,
  PanelUpdate,
  PanelWorker,
  PlacementDict
} from '../../labextension/src/protocol';
import type { Target } from '../../labextension/src/store/gestures';
import afterUpdateJson from '../protocol/after_update.json';
import gesturesJson from '../protocol/gestures.json';
import magicsJson from '../protocol/magics.json';
import repliesJson from '../protocol/replies.json';
import requestsJson from '../protocol/requests.json';
import snapshotJson from '../protocol/snapshot.json';
import updateJson from '../protocol/update.json';

export interface IMagicExample {
  names: string[];
  placement: PlacementDict | null;
  force: boolean;
  /** null: no line says it. */
  magic: string | null;
}

/** What a gesture with one variable would take, where, and what is said of it. */
export interface IGestureExample {
  what: string;
  workers: Partial<PanelWorker>[];
  nbytes: number;
  /** Of these, bytes that workers of a host can share. */
  sharable: number;
  /** Whether tasks may write to it. */
  writable?: boolean;
  held: string[];
  target: Target;
  placement: PlacementDict;
  /** Worker -> bytes for itself, now or when tasks write to what it shares. */
  private: Record<string, number>;
  /** Host -> bytes that its workers share. */
  shared: Record<string, number>;
  /** The worker or host that has no room. */
  refused: string | null;
  words: string;
}

export const gestures = gesturesJson as unknown as IGestureExample[];
export const snapshot = snapshotJson as unknown as PanelSnapshot;
export const update = updateJson as unknown as PanelUpdate;
export const afterUpdate = afterUpdateJson as unknown as PanelState;
export const requests = requestsJson as unknown as PanelRequest[];
export const replies = repliesJson as unknown as PanelReply[];
export const magics = magicsJson as unknown as IMagicExample[];
