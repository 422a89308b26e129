"""Words that generated values are made of."""

from __future__ import annotations

from sdspec.sql.syntax import word_set

FIRST_NAMES = (
    "Ada", "Boris", "Carla", "Dmitri", "Elena", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Keiko", "Liam", "Mona",
    "Nadia", "Omar", "Petra", "Quentin", "Rosa", "Samir", "Tessa", "Uma", "Viktor", "Wanda", "Xenia", "Yusuf", "Zoe",
)  # fmt: skip
LAST_NAMES = (
    "Adler", "Brandt", "Costa", "Dufour", "Eriksen", "Fischer", "Gomez", "Hansen", "Ivanov", "Jansen", "Kimura",
    "Lopez", "Meyer", "Novak", "Okafor", "Petrov", "Quinn", "Rossi", "Silva", "Tanaka", "Ulrich", "Vogel", "Weber",
)  # fmt: skip
CITIES = ("Berlin", "Paris", "London", "Madrid", "New York", "Tokyo", "Chicago", "Toronto", "Lagos", "Mumbai")
COUNTRIES = ("Germany", "France", "UK", "Spain", "USA", "Japan", "Canada", "Nigeria", "India", "Brazil")
STATES = ("CA", "NY", "TX", "WA", "FL", "IL", "MA", "CO")
STREETS = ("Oak Street", "Mill Lane", "Harbour Road", "Station Square", "Garden Way", "River Walk", "Hill Rise")
STATUSES = ("active", "pending", "completed", "cancelled", "shipped")
CATEGORIES = ("Electronics", "Books", "Clothing", "Food", "Toys", "Sports")
DEPARTMENTS = ("Sales", "Engineering", "Marketing", "Finance", "Support", "Operations")
JOBS = ("Engineer", "Manager", "Analyst", "Technician", "Designer", "Clerk")
COMPANIES = ("Northwind Works", "Blue Harbor", "Kestrel Labs", "Ironwood", "Lumen Foods", "Alta Motors", "Pinecrest")
ADJECTIVES = ("Small", "Red", "Classic", "Solar", "Silent", "Smart", "Golden", "Compact", "Rapid", "Soft")
NOUNS = ("Lamp", "Chair", "Notebook", "Kettle", "Backpack", "Camera", "Bicycle", "Jacket", "Keyboard", "Mug")
COLORS = ("red", "blue", "green", "black", "white", "yellow")
CURRENCIES = ("EUR", "USD", "GBP", "JPY")
LANGUAGES = ("English", "German", "French", "Spanish", "Japanese")
GENDERS = ("F", "M", "X")
METHODS = ("card", "cash", "transfer", "voucher")
LEVELS = ("low", "medium", "high")
SIZES = ("S", "M", "L", "XL")
GRADES = ("A", "B", "C", "D", "F")
PLANS = ("free", "basic", "premium", "team")
GENRES = ("Drama", "Comedy", "Jazz", "Rock", "Fantasy", "History")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SENTENCES = (
    "Arrived on time and works well.",
    "Needs another look next week.",
    "No remarks.",
    "The customer asked for a call back.",
    "Packed with care.",
    "Slower than expected.",
)

PEOPLE = word_set(
    "customer user employee author patient student teacher member person people driver actor client doctor player "
    "guest instructor reader staff worker agent passenger owner artist manager rider contact buyer seller tenant"
)
"""Tables whose `name` is a person's."""
COMPANY_LIKE = word_set("company supplier vendor brand manufacturer publisher airline team organization shop store")
"""Tables and columns that name a firm."""
LISTS: dict[str, tuple[str, ...]] = {
    "city": CITIES, "town": CITIES, "country": COUNTRIES, "nation": COUNTRIES, "state": STATES, "province": STATES,
    "region": ("North", "South", "East", "West"), "status": STATUSES, "category": CATEGORIES, "type": CATEGORIES,
    "kind": CATEGORIES, "department": DEPARTMENTS, "dept": DEPARTMENTS, "job": JOBS, "role": JOBS, "position": JOBS,
    "profession": JOBS, "specialty": DEPARTMENTS, "color": COLORS, "colour": COLORS, "currency": CURRENCIES,
    "language": LANGUAGES, "gender": GENDERS, "sex": GENDERS, "method": METHODS, "payment": METHODS, "level": LEVELS,
    "priority": LEVELS, "severity": LEVELS, "size": SIZES, "grade": GRADES, "plan": PLANS, "tier": PLANS,
    "genre": GENRES, "weekday": WEEKDAYS, "company": COMPANIES, "brand": COMPANIES, "supplier": COMPANIES,
    "manufacturer": COMPANIES, "publisher": COMPANIES, "vendor": COMPANIES,
}  # fmt: skip
"""A word of a column's name -> what the column holds. Also for a `name` column of a table so named."""
