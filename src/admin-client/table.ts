/** Written by `npm run docs` from src/admin/operations; changes made here are lost. */
import type { Table } from './requests.ts';

export const TABLE: Table = {

};
