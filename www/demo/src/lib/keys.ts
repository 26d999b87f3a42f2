/** Keys for the whole page: space plays and pauses, → steps, r resets. */

/** Where every key has a meaning of its own. */
const TYPING = "input, textarea, select, [contenteditable], [data-own-keys]";
/** Where the space bar presses. */
const PRESSING = "button, a, summary";

export interface Actions {
  toggle(): void;
  step(): void;
  reset(): void;
}

export function onKey(event: KeyboardEvent, actions: Actions): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const within = (where: string) => event.target instanceof Element && event.target.closest(where) !== null;
  if (within(TYPING) || (event.key === " " && within(PRESSING))) return;
  const action = { " ": actions.toggle, ArrowRight: actions.step, r: actions.reset }[event.key];
  if (!action) return;
  event.preventDefault();
  action.call(actions);
}
