/** Tables, groups and columns that an apply file names, held against the catalogue of their resource. */
import { didYouMean, MAX_HINTS } from '../errors/similar.ts';
import { cut, listSome } from '../errors/texts.ts';
import { ACTIONS, toActions } from '../permissions/actions.ts';
import { type Catalogue, findMisfits, type Misfit, namesIn } from '../permissions/catalogue.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { toGroup } from '../permissions/table-ids.ts';

const MAX_SHOWN = 40;

interface UnknownName {
  readonly name: string;
  /** ` (did you mean orders?)`, or nothing. */
  readonly hint: string;
}

/** Of these names, those that are not known. */
export function findUnknown(names: Iterable<string>, known: ReadonlySet<string>): UnknownName[] {
  return [...names]
    .filter((name) => !known.has(name))
    .map((name, index) => ({ name, hint: index < MAX_HINTS ? didYouMean(name, known) : '' }));
}

/** What does not fit of permissions, for people. */
export interface ToldMisfit {
  readonly misfit: Misfit;
  /** Below the permissions, to what is wrong or to what it stands in. */
  readonly path: readonly string[];
  /** The name or the value below it that is wrong. */
  readonly culprit?: string;
  /** The end of a sentence that starts with the last part of the path. */
  readonly message: string;
  /** The end of a sentence that starts with what has the permissions. */
  readonly whole: string;
}

type Hint = (name: string, known: Iterable<string>) => string;

/** @param resource its identifier, for the sentences */
export function tellMisfits(permissions: Permissions, catalogue: Catalogue, resource: string): ToldMisfit[] {
  let hints = 0;
  const hint: Hint = (name, known) => {
    hints += 1;
    return hints > MAX_HINTS ? '' : didYouMean(name, known);
  };
  return findMisfits(permissions, catalogue).map((misfit) => ({
    misfit,
    ...tell(misfit, catalogue, resource, hint),
  }));
}

function tell(
  misfit: Misfit,
  catalogue: Catalogue,
  resource: string,
  hint: Hint,
): Omit<ToldMisfit, 'misfit'> {
  const { name } = misfit;
  const path = ['tables', name];
  if (misfit.kind === 'unknown') {
    const kind = toGroup(name) === undefined ? 'table' : 'group';
    const nearest = hint(name, namesIn(catalogue));
    return {
      path,
      message: `is not a ${kind} of ${resource}${nearest}`,
      whole: `allows something of the ${kind} ${name}, which ${resource} does not have${nearest}`,
    };
  }
  if (misfit.kind === 'vain') {
    const actions = toActions(misfit.mask);
    const message = `takes nothing away from ${misfit.wider}: name the tables, or a group`;
    const what = `${name} (${listSome(actions, ACTIONS.length)})`;
    return {
      path: [...path, String(actions[0])],
      message,
      whole: `has permissions of which ${what} ${message}`,
    };
  }
  const { action, column } = misfit;
  const [culprit, message] =
    misfit.kind === 'undeclared'
      ? [
          column,
          `names the column ${column}, which the table ${misfit.table} does not declare${hint(
            column,
            catalogue.tables.get(misfit.table)?.keys() ?? [],
          )}`,
        ]
      : [
          misfit.value,
          `has the value ${cut(misfit.value, MAX_SHOWN)} for the column ${column}, which is of type ${misfit.type}`,
        ];
  return {
    path: [...path, action],
    culprit,
    message,
    whole: `has permissions of which ${action} of ${name} ${message}`,
  };
}
