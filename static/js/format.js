/* Numbers and money in the reader's language. Amounts arrive as decimal strings and stay so. */
import { language } from "./i18n.js";

const plain = new Intl.NumberFormat(language);
const compactForm = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
const moneyForms = new Map();

export const number = (value) => plain.format(value);
export const compact = (value) => compactForm.format(value);
export const dash = "–";

/** A unit price has four decimals, a total has two. */
export function money(amount, currency, places = 2) {
  if (amount === null || amount === undefined || amount === "") {
    return dash;
  }
  if (!currency) {
    return Number(amount).toLocaleString(language, { minimumFractionDigits: places, maximumFractionDigits: places });
  }
  const key = `${currency}/${places}`;
  if (!moneyForms.has(key)) {
    moneyForms.set(key, new Intl.NumberFormat(language, {
      style: "currency", currency, currencyDisplay: "narrowSymbol",
      minimumFractionDigits: places, maximumFractionDigits: places,
    }));
  }
  return moneyForms.get(key).format(amount);
}

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(value) {
  let size = Number(value) || 0;
  let unit = 0;
  while (size >= 1024 && unit < BINARY.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size.toLocaleString(language, { maximumFractionDigits: size < 10 ? 1 : 0 })} ${BINARY[unit]}`;
}
