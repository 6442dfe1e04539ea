// Small elements that stand in several places.
import type { ReactElement, ReactNode } from 'react';

interface IButtonProps {
  /** What it is for; also its tooltip, unless there is a `title`. */
  label: string;
  title?: string;
  onClick(): void;
  children: ReactNode;
}

/** A button that shows an icon alone. */
export function IconButton({ label, title = label, onClick, children }: IButtonProps): ReactElement {
  return (
    <button type="button" className="jp-Moorage-button" aria-label={label} title={title} onClick={onClick}>
      {children}
    </button>
  );
}

/** An icon that says something of what it stands beside. */
export function Mark({ label, title, children }: Omit<Required<IButtonProps>, 'onClick'>): ReactElement {
  return (
    <span className="jp-Moorage-mark" role="img" aria-label={label} title={title}>
      {children}
    </span>
  );
}

/** How much of something has come, as a bar. */
export function ProgressBar({ label, now, max }: { label: string; now: number; max: number }): ReactElement {
  return (
    <div
      className="jp-Moorage-progress"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={max}
      aria-valuenow={Math.floor(now)}
    >
      <i style={{ width: `${(100 * now) / Math.max(1, max)}%` }} />
    </div>
  );
}

/** The name of a variable. */
export function Name({ name }: { name: string }): ReactElement {
  return (
    <span className="jp-Moorage-variable-name" title={name}>
      {name}
    </span>
  );
}

/** Whose it is, if it is not this notebook's. */
export function Owner({ owner, title }: { owner: string; title: string }): ReactElement | null {
  return owner === '' ? null : (
    <span className="jp-Moorage-badge" title={title}>
      {owner}
    </span>
  );
}
