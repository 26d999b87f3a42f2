/** What was compared with what, as boxes in the matrix whose rows are experts and whose columns are tokens. */

import type { Focus } from "./focus";
import type { Reading } from "./read";

/** Cells from a corner on. */
export interface Box {
  row: number;
  column: number;
  rows: number;
  columns: number;
}

/** Where cells of the matrix stand apart at rest, so that what is compared hangs together. */
export interface Seams {
  betweenRows: boolean;
  betweenColumns: boolean;
  /** Columns between two wider seams; 0: none. */
  every: number;
}

export function seamsOf({ compares, groups, tokens }: Reading): Seams {
  return {
    betweenRows: compares === "row" || compares === "columnThenRow" || compares === "nothing",
    betweenColumns: compares !== "row" && compares !== "whole",
    every: compares === "column" || compares === "nothing" || groups === 1 ? 0 : tokens / groups,
  };
}

/** The boxes within which what is pointed at was compared; `null` where the pointer tells nothing of that. */
export function comparedWith(focus: Focus | null, reading: Reading): Box[] | null {
  if (focus?.kind !== "token" && focus?.kind !== "expert") return null;
  const { compares, experts, groups, tokens, choices } = reading;
  const inGroup = tokens / groups;
  const column = (token: number): Box => ({ row: 0, column: token, rows: experts, columns: 1 });
  const row = (expert: number, group: number): Box => ({ row: expert, column: group * inGroup, rows: 1, columns: inGroup });
  const block = (group: number): Box => ({ row: 0, column: group * inGroup, rows: experts, columns: inGroup });
  const every = Array.from({ length: groups }, (_, group) => group);
  const { index, expert: at } = focus;
  const group = Math.floor(index / inGroup);
  const choosers = choices.flatMap((own, token) => (own.some(({ expert }) => expert === index) ? [token] : []));
  switch (compares) {
    case "column":
      return focus.kind === "token" ? [column(index)] : choosers.map(column);
    case "row":
      if (focus.kind === "expert") return every.map((each) => row(index, each));
      return at === undefined ? Array.from({ length: experts }, (_, expert) => row(expert, group)) : [row(at, group)];
    case "columnThenRow":
      if (focus.kind === "expert") return [...choosers.map(column), ...every.map((each) => row(index, each))];
      return [column(index), ...(at === undefined ? choices[index]!.map(({ expert }) => expert) : [at]).map((expert) => row(expert, group))];
    case "whole":
      return focus.kind === "token" ? [block(group)] : every.map(block);
    case "nothing":
      return [];
    default:
      return compares satisfies never;
  }
}

export const inBox = (box: Box, row: number, column: number): boolean =>
  row >= box.row && row < box.row + box.rows && column >= box.column && column < box.column + box.columns;
