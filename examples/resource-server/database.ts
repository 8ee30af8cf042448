/** Two tables with a few rows. Values are always bound as parameters. */
import { DatabaseSync } from 'node:sqlite';

export interface Order {
  readonly id: number;
  readonly product: number;
  readonly amount: number;
}

export interface Orders {
  list(): unknown[];
  withProducts(): unknown[];
  insert(order: Omit<Order, 'id'>): unknown;
  /** @returns whether there was one */
  update(order: Order): boolean;
  remove(id: number): boolean;
  exists(id: number): boolean;
  /** All or nothing. */
  together<T>(work: () => T): T;
}

export function openOrders(): Orders {
  const database = new DatabaseSync(':memory:');
  database.exec(`
    CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, product INTEGER NOT NULL REFERENCES products, amount INTEGER NOT NULL);
    INSERT INTO products VALUES (1, 'tea'), (2, 'coffee');
    INSERT INTO orders VALUES (1, 1, 5), (2, 2, 3);
  `);
  const one = (sql: string) => database.prepare(sql);
  return {
    list: () => one('SELECT * FROM orders ORDER BY id').all(),
    withProducts: () =>
      one(
        'SELECT orders.id, name, amount FROM orders JOIN products ON products.id = product ORDER BY orders.id',
      ).all(),
    insert: ({ product, amount }) =>
      one('INSERT INTO orders (product, amount) VALUES (?, ?) RETURNING *').get(product, amount),
    update: ({ id, product, amount }) =>
      one('UPDATE orders SET product = ?, amount = ? WHERE id = ?').run(product, amount, id).changes === 1,
    remove: (id) => one('DELETE FROM orders WHERE id = ?').run(id).changes === 1,
    exists: (id) => one('SELECT 1 FROM orders WHERE id = ?').get(id) !== undefined,
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
}
