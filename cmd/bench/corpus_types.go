package main

// Types for the standard JSON corpus files, as wide as the files themselves, so that a
// decoder has nothing to skip and an encoder gives everything back.

//lithair:json
type twitterFile struct {
	Statuses       []status       `json:"statuses"`
	SearchMetadata searchMetadata `json:"search_metadata"`
}

type status struct {
	Metadata             statusMetadata `json:"metadata"`
	CreatedAt            string         `json:"created_at"`
	ID                   int64          `json:"id"`
	IDStr                string         `json:"id_str"`
	Text                 string         `json:"text"`
	Source               string         `json:"source"`
	Truncated            bool           `json:"truncated"`
	InReplyToStatusID    *int64         `json:"in_reply_to_status_id"`
	InReplyToStatusIDStr *string        `json:"in_reply_to_status_id_str"`
	InReplyToUserID      *int64         `json:"in_reply_to_user_id"`
	InReplyToUserIDStr   *string        `json:"in_reply_to_user_id_str"`
	InReplyToScreenName  *string        `json:"in_reply_to_screen_name"`
	User                 user           `json:"user"`
	Geo                  any            `json:"geo"`
	Coordinates          any            `json:"coordinates"`
	Place                any            `json:"place"`
	Contributors         any            `json:"contributors"`
	RetweetCount         int64          `json:"retweet_count"`
	FavoriteCount        int64          `json:"favorite_count"`
	Entities             statusEntities `json:"entities"`
	Favorited            bool           `json:"favorited"`
	Retweeted            bool           `json:"retweeted"`
	Lang                 string         `json:"lang"`
	RetweetedStatus      *status        `json:"retweeted_status,omitempty"`
	PossiblySensitive    bool           `json:"possibly_sensitive,omitempty"`
}

type statusMetadata struct {
	ResultType      string `json:"result_type"`
	IsoLanguageCode string `json:"iso_language_code"`
}

type user struct {
	ID                             int64        `json:"id"`
	IDStr                          string       `json:"id_str"`
	Name                           string       `json:"name"`
	ScreenName                     string       `json:"screen_name"`
	Location                       string       `json:"location"`
	Description                    string       `json:"description"`
	Url                            *string      `json:"url"`
	Entities                       userEntities `json:"entities"`
	Protected                      bool         `json:"protected"`
	FollowersCount                 int64        `json:"followers_count"`
	FriendsCount                   int64        `json:"friends_count"`
	ListedCount                    int64        `json:"listed_count"`
	CreatedAt                      string       `json:"created_at"`
	FavouritesCount                int64        `json:"favourites_count"`
	UtcOffset                      *int64       `json:"utc_offset"`
	TimeZone                       *string      `json:"time_zone"`
	GeoEnabled                     bool         `json:"geo_enabled"`
	Verified                       bool         `json:"verified"`
	StatusesCount                  int64        `json:"statuses_count"`
	Lang                           string       `json:"lang"`
	ContributorsEnabled            bool         `json:"contributors_enabled"`
	IsTranslator                   bool         `json:"is_translator"`
	IsTranslationEnabled           bool         `json:"is_translation_enabled"`
	ProfileBackgroundColor         string       `json:"profile_background_color"`
	ProfileBackgroundImageUrl      string       `json:"profile_background_image_url"`
	ProfileBackgroundImageUrlHttps string       `json:"profile_background_image_url_https"`
	ProfileBackgroundTile          bool         `json:"profile_background_tile"`
	ProfileImageUrl                string       `json:"profile_image_url"`
	ProfileImageUrlHttps           string       `json:"profile_image_url_https"`
	ProfileBannerUrl               string       `json:"profile_banner_url,omitempty"`
	ProfileLinkColor               string       `json:"profile_link_color"`
	ProfileSidebarBorderColor      string       `json:"profile_sidebar_border_color"`
	ProfileSidebarFillColor        string       `json:"profile_sidebar_fill_color"`
	ProfileTextColor               string       `json:"profile_text_color"`
	ProfileUseBackgroundImage      bool         `json:"profile_use_background_image"`
	DefaultProfile                 bool         `json:"default_profile"`
	DefaultProfileImage            bool         `json:"default_profile_image"`
	Following                      bool         `json:"following"`
	FollowRequestSent              bool         `json:"follow_request_sent"`
	Notifications                  bool         `json:"notifications"`
}

type userEntities struct {
	Description userEntitiesDescription `json:"description"`
	Url         *userEntitiesUrl        `json:"url,omitempty"`
}

type userEntitiesDescription struct {
	Urls []url `json:"urls"`
}

type url struct {
	Url         string  `json:"url"`
	ExpandedUrl string  `json:"expanded_url"`
	DisplayUrl  string  `json:"display_url"`
	Indices     []int64 `json:"indices"`
}

type userEntitiesUrl struct {
	Urls []url `json:"urls"`
}

type statusEntities struct {
	Hashtags     []hashtag     `json:"hashtags"`
	Symbols      []any         `json:"symbols"`
	Urls         []url         `json:"urls"`
	UserMentions []userMention `json:"user_mentions"`
	Media        []media       `json:"media,omitempty"`
}

type hashtag struct {
	Text    string  `json:"text"`
	Indices []int64 `json:"indices"`
}

type userMention struct {
	ScreenName string  `json:"screen_name"`
	Name       string  `json:"name"`
	ID         int64   `json:"id"`
	IDStr      string  `json:"id_str"`
	Indices    []int64 `json:"indices"`
}

type media struct {
	ID                int64   `json:"id"`
	IDStr             string  `json:"id_str"`
	Indices           []int64 `json:"indices"`
	MediaUrl          string  `json:"media_url"`
	MediaUrlHttps     string  `json:"media_url_https"`
	Url               string  `json:"url"`
	DisplayUrl        string  `json:"display_url"`
	ExpandedUrl       string  `json:"expanded_url"`
	Type              string  `json:"type"`
	Sizes             sizes   `json:"sizes"`
	SourceStatusID    int64   `json:"source_status_id,omitempty"`
	SourceStatusIDStr string  `json:"source_status_id_str,omitempty"`
}

type sizes struct {
	Medium size `json:"medium"`
	Small  size `json:"small"`
	Thumb  size `json:"thumb"`
	Large  size `json:"large"`
}

type searchMetadata struct {
	CompletedIn float64 `json:"completed_in"`
	MaxID       int64   `json:"max_id"`
	MaxIDStr    string  `json:"max_id_str"`
	NextResults string  `json:"next_results"`
	Query       string  `json:"query"`
	RefreshUrl  string  `json:"refresh_url"`
	Count       int64   `json:"count"`
	SinceID     int64   `json:"since_id"`
	SinceIDStr  string  `json:"since_id_str"`
}

//lithair:json
type citmFile struct {
	AreaNames                map[string]string  `json:"areaNames"`
	AudienceSubCategoryNames map[string]string  `json:"audienceSubCategoryNames"`
	BlockNames               map[string]any     `json:"blockNames"`
	Events                   map[string]event   `json:"events"`
	Performances             []performance      `json:"performances"`
	SeatCategoryNames        map[string]string  `json:"seatCategoryNames"`
	SubTopicNames            map[string]string  `json:"subTopicNames"`
	SubjectNames             map[string]any     `json:"subjectNames"`
	TopicNames               map[string]string  `json:"topicNames"`
	TopicSubTopics           map[string][]int64 `json:"topicSubTopics"`
	VenueNames               map[string]string  `json:"venueNames"`
}

type event struct {
	Description any     `json:"description"`
	ID          int64   `json:"id"`
	Logo        *string `json:"logo"`
	Name        string  `json:"name"`
	SubTopicIDs []int64 `json:"subTopicIds"`
	SubjectCode any     `json:"subjectCode"`
	Subtitle    any     `json:"subtitle"`
	TopicIDs    []int64 `json:"topicIds"`
}

type performance struct {
	EventID        int64          `json:"eventId"`
	ID             int64          `json:"id"`
	Logo           *string        `json:"logo"`
	Name           any            `json:"name"`
	Prices         []price        `json:"prices"`
	SeatCategories []seatCategory `json:"seatCategories"`
	SeatMapImage   any            `json:"seatMapImage"`
	Start          int64          `json:"start"`
	VenueCode      string         `json:"venueCode"`
}

type price struct {
	Amount                int64 `json:"amount"`
	AudienceSubCategoryID int64 `json:"audienceSubCategoryId"`
	SeatCategoryID        int64 `json:"seatCategoryId"`
}

type seatCategory struct {
	Areas          []area `json:"areas"`
	SeatCategoryID int64  `json:"seatCategoryId"`
}

type area struct {
	AreaID   int64 `json:"areaId"`
	BlockIDs []any `json:"blockIds"`
}

//lithair:json
type canadaFile struct {
	Type     string    `json:"type"`
	Features []feature `json:"features"`
}

type feature struct {
	Type       string     `json:"type"`
	Properties properties `json:"properties"`
	Geometry   geometry   `json:"geometry"`
}

type properties struct {
	Name string `json:"name"`
}

type geometry struct {
	Type        string        `json:"type"`
	Coordinates [][][]float64 `json:"coordinates"`
}

type size struct {
	W      int64  `json:"w"`
	H      int64  `json:"h"`
	Resize string `json:"resize"`
}
