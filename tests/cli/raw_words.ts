/** What no user is to see: the runtime's wording, a stack trace, a name of a class. */
export const RAW =
  /os error|\n\s+at |\bnode:|\bext:|Uncaught|TypeError|ERR_|BER error|nom error|\bundefined\b|\[object/;
