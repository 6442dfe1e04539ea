// The board's icons, drawn in the colour of the text around them.
import type { ReactElement, ReactNode } from 'react';

function Icon({ children, size = 16 }: { children: ReactNode; size?: number }): ReactElement {
  return (
    <svg
      className="jp-Moorage-icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export const AnchorIcon = ({ size = 16 }: { size?: number }): ReactElement => (
  <Icon size={size}>
    <circle cx="8" cy="3.3" r="1.6" />
    <path d="M8 4.9V14M5.6 7.2h4.8M2.2 8.6c.3 3.2 2.6 5.4 5.8 5.4s5.5-2.2 5.8-5.4M2.2 8.6 1 10M2.2 8.6l1.6 1M13.8 8.6 15 10M13.8 8.6l-1.6 1" />
  </Icon>
);
export const AllWorkersIcon = (): ReactElement => (
  <Icon>
    <circle cx="3.2" cy="8" r="1.5" />
    <path d="M4.9 7.2 11 3.6M5 8h6M4.9 8.8 11 12.4" />
    <rect x="11.2" y="2" width="3" height="3" rx=".6" />
    <rect x="11.2" y="6.5" width="3" height="3" rx=".6" />
    <rect x="11.2" y="11" width="3" height="3" rx=".6" />
  </Icon>
);
export const UndoIcon = (): ReactElement => (
  <Icon>
    <path d="M5.6 2.8 2.6 5.8l3 3M2.8 5.8h6.4a3.7 3.7 0 0 1 0 7.4H5.4" />
  </Icon>
);
export const HostIcon = (): ReactElement => (
  <Icon>
    <rect x="2" y="2.5" width="12" height="4.6" rx="1" />
    <rect x="2" y="8.9" width="12" height="4.6" rx="1" />
    <path d="M4.5 4.8h.01M4.5 11.2h.01" strokeWidth="1.9" />
  </Icon>
);
export const SpreadIcon = (): ReactElement => (
  <Icon>
    <rect x="2" y="2" width="3.6" height="3.6" rx=".7" />
    <path d="M7.6 3.8h1.6M3.8 7.6v1.6M6.4 6.4l3 3" />
    <rect x="10.4" y="2" width="3.6" height="3.6" rx=".7" />
    <rect x="2" y="10.4" width="3.6" height="3.6" rx=".7" />
    <rect x="10.4" y="10.4" width="3.6" height="3.6" rx=".7" />
  </Icon>
);
export const ReleaseIcon = (): ReactElement => (
  <Icon>
    <path d="M8 2v7M5.2 6.4 8 9.2l2.8-2.8" />
    <path d="M2.5 12.2c1.2 0 1.6-.9 2.8-.9s1.6.9 2.7.9 1.6-.9 2.8-.9 1.6.9 2.7.9" />
  </Icon>
);
export const DashboardIcon = (): ReactElement => (
  <Icon>
    <path d="M2.5 13.5v-4M6.2 13.5V6M9.8 13.5v-5M13.5 13.5V2.5" />
  </Icon>
);
export const MoreIcon = (): ReactElement => (
  <Icon>
    <path d="M8 3.5h.01M8 8h.01M8 12.5h.01" strokeWidth="2.2" />
  </Icon>
);
export const PlusIcon = (): ReactElement => (
  <Icon size={12}>
    <path d="M8 3v10M3 8h10" strokeWidth="1.8" />
  </Icon>
);
export const MinusIcon = (): ReactElement => (
  <Icon size={12}>
    <path d="M3 8h10" strokeWidth="1.8" />
  </Icon>
);
export const CloseIcon = (): ReactElement => (
  <Icon size={14}>
    <path d="m4 4 8 8M12 4l-8 8" />
  </Icon>
);
export const ChevronIcon = (): ReactElement => (
  <Icon size={12}>
    <path d="m5.5 3.5 5 4.5-5 4.5" strokeWidth="1.8" />
  </Icon>
);
export const CopyIcon = (): ReactElement => (
  <Icon size={14}>
    <rect x="5.5" y="5.5" width="8" height="8" rx="1.2" />
    <path d="M10.5 5.2V3.7c0-.7-.5-1.2-1.2-1.2H3.7c-.7 0-1.2.5-1.2 1.2v5.6c0 .7.5 1.2 1.2 1.2h1.5" />
  </Icon>
);
export const CheckIcon = (): ReactElement => (
  <Icon size={14}>
    <path d="m3 8.5 3.2 3.2L13 4.8" strokeWidth="1.8" />
  </Icon>
);
export const InsertIcon = (): ReactElement => (
  <Icon size={14}>
    <rect x="2" y="2.5" width="12" height="4.5" rx="1" />
    <path d="M8 9.2v4.6M5.7 11.5h4.6" />
  </Icon>
);
export const LockIcon = (): ReactElement => (
  <Icon size={13}>
    <rect x="3.3" y="7" width="9.4" height="6.5" rx="1.2" />
    <path d="M5.3 7V5.2a2.7 2.7 0 0 1 5.4 0V7" />
  </Icon>
);
export const NoticeIcon = ({ level }: { level: 'info' | 'warning' | 'error' }): ReactElement => (
  <Icon>
    {level === 'warning' ? (
      <path d="M8 2.2 14.4 13.4H1.6Z" />
    ) : level === 'error' ? (
      <path d="M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5Z" />
    ) : (
      <circle cx="8" cy="8" r="6.2" />
    )}
    {level === 'info' ? (
      <path d="M8 7.3v3.6M8 5h.01" strokeWidth="1.7" />
    ) : (
      <path d="M8 5.6v3.2M8 11h.01" strokeWidth="1.7" />
    )}
  </Icon>
);
