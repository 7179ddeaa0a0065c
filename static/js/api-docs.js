/* Swagger UI on the page's own schema; requests go with the reader's session. */
import { csrfToken } from "./dom.js";
import { isDark } from "./theme.js";

/* Swagger UI brings a dark look of its own, under this class. */
const dress = () => document.documentElement.classList.toggle("dark-mode", isDark());
document.addEventListener("themechange", dress);
dress();

const place = document.getElementById("swagger");
const answer = await fetch(place.dataset.schema, { headers: { Accept: "application/vnd.oai.openapi+json" } });
window.SwaggerUIBundle({
  spec: await answer.json(),
  domNode: place,
  validatorUrl: null,
  docExpansion: "list",
  requestInterceptor: (request) => {
    request.headers["X-CSRFToken"] = csrfToken();
    return request;
  },
});
