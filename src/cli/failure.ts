/** Errors in words for the operator who typed the command. An error that was not foreseen keeps its stack. */

import { BadExport } from '../admin/import.ts';
import { ApplyRefused } from '../apply/apply.ts';
import { ApplyFileError } from '../apply/file-error.ts';
import { ConfigError } from '../config/config.ts';
import { DomainError, FieldsRefused, NotFound } from '../errors/domain.ts';
import { toOneLine } from '../errors/texts.ts';
import { DatabaseFailed } from '../guard/connect.ts';
import { CannotListen } from '../http/listen.ts';
import {
  CannotOpenStore,
  Conflict,
  NewerDatabase,
  StoreUnavailable,
  VersionConflict,
} from '../storage/contract.ts';
import { StoreNotEmpty } from '../storage/dump.ts';
import { VaultError } from '../storage/vault.ts';
import { describeFields } from './administration/field-problems.ts';
import { CommandFailed, FAILED, MISUSED } from './command.ts';

/** Their messages are sentences for the operator. */
const TOLD_AS_THEY_ARE = [
  CommandFailed,
  ApplyRefused,
  BadExport,
  CannotListen,
  DatabaseFailed,
  CannotOpenStore,
  NewerDatabase,
  StoreNotEmpty,
  StoreUnavailable,
  VaultError,
];

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: 'may not be used by this user',
  EPERM: 'may not be used by this user',
  EROFS: 'is on a read-only file system',
  ENOSPC: 'cannot be written: the disk is full',
  EDQUOT: 'cannot be written: the disk quota is used up',
  ENOENT: 'is not there',
  EEXIST: 'is there already',
  EISDIR: 'is a folder',
  ENOTDIR: 'has a part that is not a folder',
};

/** What failed first is told first, and what failed while that was cleared away after it. */
export function toFailure(error: unknown): { readonly lines: string[]; readonly exitCode: number } {
  if (error instanceof SuppressedError) {
    const { lines, exitCode } = toFailure(error.suppressed);
    return { lines: [...new Set([...lines, ...toFailure(error.error).lines])], exitCode };
  }
  if (error instanceof ConfigError || error instanceof ApplyFileError) return told(error.message, MISUSED);
  if (TOLD_AS_THEY_ARE.some((type) => error instanceof type)) return told((error as Error).message, FAILED);
  if (error instanceof Conflict || error instanceof VersionConflict) {
    return told('It was changed by another request at the same time: try again.', FAILED);
  }
  if (error instanceof FieldsRefused) return told(describeFields(error.errors), FAILED);
  if (error instanceof NotFound) return told(error.told, FAILED);
  if (error instanceof DomainError && error.description !== undefined) return told(error.description, FAILED);
  const { code, path } = error as NodeJS.ErrnoException;
  const said = code === undefined ? undefined : SYSTEM_ERRORS[code];
  if (said !== undefined && path !== undefined) return told(`${path} ${said} (${code}).`, FAILED);
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return told(`This should not have happened: ${text}`, FAILED);
}

function told(message: string, exitCode: number) {
  return { lines: message.split('\n').map(toOneLine), exitCode };
}
