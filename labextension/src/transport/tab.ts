// What browser tabs keep in mind over reloads: their names, and what each has open in a kernel, so that what a tab has left
// there can be closed by its next page, or by another tab if it has died. A tab that lives holds a lock of its name.
import { UUID } from '@lumino/coreutils';

const TAB = 'moorage:tab';
const OPEN = 'moorage:open:';

/** Milliseconds after which what is open in a kernel that nobody came back to is forgotten. */
const KEPT = 24 * 3600 * 1000;

/** What a tab has open in a kernel. */
export interface IOpen {
  readonly subshell: string | null;
  /** Ids of its comms. */
  readonly comms: readonly string[];
}

export class Tab {
  /**
   * @param locks - absent where the page did not come over a secure connection; then a tab only knows itself.
   */
  constructor(
    private readonly _own: Storage = window.sessionStorage,
    private readonly _shared: Storage = window.localStorage,
    private readonly _locks: LockManager | undefined = (navigator as Partial<Navigator>).locks
  ) {}

  /** The same after a reload, another in another tab. */
  get id(): string {
    return this._own.getItem(TAB) ?? this.renew();
  }

  /** Take a new name, because another tab goes by this one: a duplicated tab begins with a copy of the storage. */
  renew(): string {
    const id = UUID.uuid4();
    this._own.setItem(TAB, id);
    this._hold(id);
    return id;
  }

  /** Keep in mind what this tab has open in a kernel; null: nothing. */
  note(kernelId: string, open: IOpen | null): void {
    const key = `${OPEN}${kernelId}:${this.id}`;
    if (open === null) {
      this._shared.removeItem(key);
    } else {
      this._shared.setItem(key, JSON.stringify({ ...open, at: Date.now() }));
    }
  }

  /** Whether something has been open in a kernel lately, in this tab or another. */
  knows(kernelId: string): boolean {
    return Object.keys(this._shared).some(key => key.startsWith(`${OPEN}${kernelId}:`));
  }

  /** What has been left open in a kernel by tabs that have died, and by the page before in this one; it is forgotten. */
  async left(kernelId: string): Promise<readonly IOpen[]> {
    this._claimed ??= this._claim();
    await this._claimed;
    const alive = await this._alive();
    const found: IOpen[] = [];
    for (const key of Object.keys(this._shared).filter(one => one.startsWith(OPEN))) {
      const [kernel, tab = ''] = key.slice(OPEN.length).split(':');
      const { at, ...open } = JSON.parse(this._shared.getItem(key) ?? '') as IOpen & { at: number };
      const isDead = tab === this.id || alive?.has(tab) === false;
      if (isDead && kernel === kernelId) {
        // The kernel itself replaces what has been this tab's.
        found.push(tab === this.id ? { ...open, comms: [] } : open);
      }
      if (isDead && (kernel === kernelId || Date.now() - at > KEPT)) {
        this._shared.removeItem(key);
      }
    }
    return found;
  }

  // Before this page holds its name, another one that does is the tab of which this is a duplicate.
  private async _claim(): Promise<void> {
    if ((await this._alive())?.has(this.id) === true) {
      this.renew();
    } else {
      this._hold(this.id);
    }
  }

  private async _alive(): Promise<ReadonlySet<string> | null> {
    const known = await this._locks?.query();
    return known === undefined
      ? null
      : new Set(known.held?.map(({ name = '' }) => name.slice(TAB.length + 1)));
  }

  private _hold(id: string): void {
    void this._locks?.request(`${TAB}:${id}`, { mode: 'shared' }, () => new Promise(() => undefined));
  }

  private _claimed: Promise<void> | null = null;
}

/** All conversations of this page are one tab's. */
export const thisTab = (): Tab => (page ??= new Tab());
let page: Tab | null = null;
