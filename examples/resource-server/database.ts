/**
 * Two tables with a few rows. Each function takes what the caller's token allows, and sees and changes only such rows and
 * columns. Values are always bound as parameters.
 */
import { DatabaseSync } from 'node:sqlite';
import type { TableColumns, TokenAccess } from 'grantable/resource-server';

export interface Order {
  readonly id: number;
  /** The number of the customer who ordered. */
  readonly customer: number;
  readonly product: number;
  readonly amount: number;
}

export type NewOrder = Omit<Order, 'id'> & Partial<Order>;
export type OrderChanges = Partial<Order> & Pick<Order, 'id'>;

/** By which columns a token may be limited, and how their values compare. */
export const COLUMNS = {
  orders: { id: 'integer', customer: 'integer', product: 'integer', amount: 'integer' },
  products: { id: 'integer', name: 'text' },
} as const satisfies TableColumns;

export interface Orders {
  list(access: TokenAccess): unknown[];
  withProducts(access: TokenAccess): unknown[];
  /** @throws AccessError insufficient_scope */
  insert(access: TokenAccess, order: NewOrder): unknown;
  /**
   * @returns whether there was an order which the token may update
   * @throws AccessError insufficient_scope for other columns, or a row that the token may not update after the change
   */
  update(access: TokenAccess, changes: OrderChanges): boolean;
  /** @throws AccessError insufficient_scope */
  upsert(access: TokenAccess, order: Order): void;
  /** @returns whether there was an order which the token may delete */
  remove(access: TokenAccess, id: number): boolean;
  /** All or nothing. */
  together<T>(work: () => T): T;
}

export function openOrders(): Orders {
  const database = new DatabaseSync(':memory:');
  database.exec(`
    CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE orders (
      id INTEGER PRIMARY KEY,
      customer INTEGER NOT NULL,
      product INTEGER NOT NULL REFERENCES products,
      amount INTEGER NOT NULL
    );
    INSERT INTO products VALUES (1, 'tea'), (2, 'coffee');
    INSERT INTO orders VALUES (1, 42, 1, 5), (2, 43, 2, 3);
  `);
  const one = (sql: string) => database.prepare(sql);

  /** The rows that the token shows, to stand after FROM or JOIN. Columns that it hides are NULL. */
  const visible = (access: TokenAccess, table: keyof typeof COLUMNS) =>
    access.toSql(table, 'read', 'sqlite', { columns: Object.keys(COLUMNS[table]) }).from;

  /** @throws AccessError insufficient_scope */
  function change(access: TokenAccess, before: object, { id, ...changes }: OrderChanges): void {
    access.demandUpdate('orders', before, changes);
    const { customer = null, product = null, amount = null } = changes;
    one(
      'UPDATE orders SET customer = ifnull(?, customer), product = ifnull(?, product), amount = ifnull(?, amount) WHERE id = ?',
    ).run(customer, product, amount, id);
  }

  const orders: Orders = {
    list(access) {
      const { text, parameters } = visible(access, 'orders');
      return one(`SELECT * FROM ${text} ORDER BY id`).all(...parameters);
    },
    // A join shows rows of both tables.
    withProducts(access) {
      const [left, right] = [visible(access, 'orders'), visible(access, 'products')];
      return one(
        `SELECT orders.id, name, amount FROM ${left.text} JOIN ${right.text} ON products.id = product ORDER BY orders.id`,
      ).all(...left.parameters, ...right.parameters);
    },
    insert(access, order) {
      access.demandCreate('orders', order);
      const { id = null, customer, product, amount } = order;
      const sql = 'INSERT INTO orders (id, customer, product, amount) VALUES (?, ?, ?, ?)';
      return { id: one(sql).run(id, customer, product, amount).lastInsertRowid, ...order };
    },
    update(access, changes) {
      // An order that the token may not update is answered like one that is not there.
      const { where } = access.toSql('orders', 'update', 'sqlite');
      const sql = `SELECT * FROM orders WHERE id = ? AND ${where.text}`;
      const before = one(sql).get(changes.id, ...where.parameters);
      if (before) change(access, before, changes);
      return before !== undefined;
    },
    upsert(access, order) {
      const before = one('SELECT * FROM orders WHERE id = ?').get(order.id);
      if (before) change(access, before, order);
      else orders.insert(access, order);
    },
    remove(access, id) {
      const { where } = access.toSql('orders', 'delete', 'sqlite');
      const { changes } = one(`DELETE FROM orders WHERE id = ? AND ${where.text}`).run(
        id,
        ...where.parameters,
      );
      return changes === 1;
    },
    together(work) {
      database.exec('BEGIN');
      try {
        const result = work();
        database.exec('COMMIT');
        return result;
      } catch (error) {
        database.exec('ROLLBACK');
        throw error;
      }
    },
  };
  return orders;
}
