// What a browser tab remembers over a reload: its own name, and the subshell it had in each kernel.
import { UUID } from '@lumino/coreutils';

const TAB = 'moorage:tab';
const SUBSHELL = 'moorage:subshell:';

export class Tab {
  constructor(private readonly _storage: Storage = window.sessionStorage) {}

  /** The same after a reload, another in another tab. */
  get id(): string {
    const known = this._storage.getItem(TAB);
    if (known !== null) {
      return known;
    }
    return this.renew();
  }

  /** Take a new name, because another tab goes by this one: a duplicated tab begins with a copy of the storage. */
  renew(): string {
    const id = UUID.uuid4();
    this._storage.setItem(TAB, id);
    return id;
  }

  /** The subshell that this tab had in a kernel before it was reloaded; null when there is none to clear away. */
  subshell(kernelId: string): string | null {
    return this._storage.getItem(SUBSHELL + kernelId);
  }

  rememberSubshell(kernelId: string, subshell: string | null): void {
    if (subshell === null) {
      this._storage.removeItem(SUBSHELL + kernelId);
    } else {
      this._storage.setItem(SUBSHELL + kernelId, subshell);
    }
  }
}
