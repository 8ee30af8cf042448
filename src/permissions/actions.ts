/** The four actions on a table, as names and as a bit mask. */
export const ACTIONS = ['create', 'read', 'update', 'delete'] as const;

export type Action = (typeof ACTIONS)[number];

/** For sentences: `create, read, update or delete`. */
export const ACTION_WORDS = `${ACTIONS.slice(0, -1).join(', ')} or ${ACTIONS.at(-1)}`;

/** The actions allowed on one table as bits: bit `i` stands for `ACTIONS[i]`. */
export type ActionMask = number;

const BITS: ReadonlyMap<string, ActionMask> = new Map(ACTIONS.map((action, index) => [action, 1 << index]));

const ACTIONS_BY_MASK: readonly (readonly Action[])[] = Array.from(
  { length: 1 << ACTIONS.length },
  (_, mask) => Object.freeze(ACTIONS.filter((_action, index) => (mask & (1 << index)) !== 0)),
);

/** The bit of an action; 0 when there is no such action. */
export function toBit(action: string): ActionMask {
  return BITS.get(action) ?? 0;
}

/** The actions of a mask, always in the order create, read, update, delete; shared and frozen. */
export function toActions(mask: ActionMask): readonly Action[] {
  return ACTIONS_BY_MASK[mask] as readonly Action[];
}
