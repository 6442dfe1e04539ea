// What all parts of the board share: what the user may do, and what is in the hand.
import { createContext, useContext } from 'react';

import type { PanelParts } from '../../protocol';
import type { ICarried, Target } from '../../store/gestures';
import type { IPreview } from '../../store/preview';
import type { PartsGrabs } from '../hand/draggable';

/** The notebook beside the board, as a place to put cells and to drop variables. */
export interface INotebook {
  /** Put text into a new cell. */
  insertCell(source: string): void;
  /** Interrupt the kernel. */
  interrupt(): void;
  /** Whether there is a cell of that id. */
  hasCell(id: string): boolean;
  goToCell(id: string): void;
  /** Whether variables can be dropped there, in client coordinates. */
  isAt(x: number, y: number): boolean;
  dropAt(names: readonly string[], x: number, y: number): void;
}

const NotebookContext = createContext<INotebook | null>(null);

export const NotebookProvider = NotebookContext.Provider;

/** The notebook beside the board; null where there is none. */
export function useNotebook(): INotebook | null {
  return useContext(NotebookContext);
}

export interface IBoardOptions {
  /** Bytes below which a variable that is not placed is not listed. */
  readonly threshold: number;
  /** Bytes beyond which a copy has to be confirmed. */
  readonly confirmAbove: number;
}

/** What is in the hand, over what, and what a drop would do. */
export interface IHand {
  readonly carried: ICarried | null;
  readonly over: Target | null;
  /** What a drop there would do; null with an empty hand. */
  previewAt(target: Target): IPreview | null;
}

export const HandContext = createContext<IHand>({ carried: null, over: null, previewAt: () => null });

export function useHand(): IHand {
  return useContext(HandContext);
}

/** Asks the kernel for some of a variable's parts; rejects where it refuses. */
export type PartsSource = (name: string, start: number, count: number) => Promise<PanelParts>;

const PartsContext = createContext<PartsSource>(() => Promise.reject(new Error('nobody to ask')));

export const PartsProvider = PartsContext.Provider;

export function usePartsSource(): PartsSource {
  return useContext(PartsContext);
}

/** Where rows that are open say what goes along with a part of theirs. */
export const GrabsContext = createContext<PartsGrabs>(new Map());

/** What is in the hand, for those to whom it makes no difference where that is. */
export const CarriedContext = createContext<ICarried | null>(null);

/** Whether a variable is carried that was taken from there. */
export function isCarried(carried: ICarried | null, name: string, from: string | null): boolean {
  return carried !== null && carried.from === from && carried.names.includes(name);
}
