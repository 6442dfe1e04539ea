// Messages that pytest reads as well. JSON has no literal types: the tests that read them show that they fit.
import type {
  PanelReply,
  PanelRequest,
  PanelSnapshot,
  PanelState,
  PanelUpdate,
  PlacementDict
} from '../../labextension/src/protocol';
import afterUpdateJson from '../protocol/after_update.json';
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

export const snapshot = snapshotJson as unknown as PanelSnapshot;
export const update = updateJson as unknown as PanelUpdate;
export const afterUpdate = afterUpdateJson as unknown as PanelState;
export const requests = requestsJson as unknown as PanelRequest[];
export const replies = repliesJson as unknown as PanelReply[];
export const magics = magicsJson as unknown as IMagicExample[];
