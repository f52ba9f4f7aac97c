/** Requests to a store under way at a time where many small objects are read. */
export const STORE_CONCURRENCY = 16;
