/* Translations come from Django's JavaScript catalogue; without it the English text stands. */
const catalogue = () => globalThis.django || {};

export const gettext = (text) => (catalogue().gettext ? catalogue().gettext(text) : text);

export const pgettext = (context, text) =>
  catalogue().pgettext ? catalogue().pgettext(context, text) : text;

export function ngettext(one, many, count) {
  const { ngettext: translate } = catalogue();
  return translate ? translate(one, many, count) : count === 1 ? one : many;
}

/** Fills `%(name)s` places: fill("%(n)s pods", {n: 3}). */
export const fill = (pattern, values) =>
  pattern.replace(/%\((\w+)\)s/g, (whole, name) => (name in values ? String(values[name]) : whole));

export const language = document.documentElement.lang || "en";
export const isChinese = language.toLowerCase().startsWith("zh");
